// SPDX-License-Identifier: Apache-2.0
// What every subcommand that looks at the kernel does before and after: catch ^C, show progress, bring the answer to its place,
// say what went wrong.
#pragma once
#include <functional>
#include <memory>

#include "kernel/target.h"
#include "report/output.h"
#include "report/progress.h"

namespace orphan::cli {

// The contract of the command line. Wrong usage is 2.
inline constexpr int kClean = 0, kLeaks = 1, kCouldNotLook = 3, kPartial = 4;

class Session {
 public:
  // Before anything is read.
  Session();

  // Whether the answer could be brought to its place.
  Result<void> check(const std::string& output) const { return check_output(output); }

  Result<std::unique_ptr<kernel::Target>> open_kernel(unsigned threads = kernel::LiveSource::kMostThreads);
  kernel::LookHooks look_hooks();
  std::function<bool()> keep_going() const;
  void step(const std::string& what) { progress_->step(what); }

  // Ends the progress display. `status` when the text could be written, else kCouldNotLook, with the reason on standard error.
  int finish(const std::string& output, const std::string& text, int status);
  // Prints the error; kCouldNotLook.
  int fail(const Error& error);

 private:
  std::unique_ptr<Progress> progress_;
};

}  // namespace orphan::cli
