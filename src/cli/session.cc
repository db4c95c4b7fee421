// SPDX-License-Identifier: Apache-2.0
#include "cli/session.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include "cli/interrupt.h"

namespace orphan::cli {
namespace {

// NotMapped comes without a text. Here it means that what every kernel has cannot be read.
std::string why_not(const Error& error) {
  if (!error.text().empty()) return error.text();
  return "/proc/kcore: the kernel's own tables cannot be read from it: is it cut short, or that of another kernel?";
}

}  // namespace

Session::Session() : progress_(std::make_unique<Progress>()) {
  catch_interrupts();
  // While the kernel gathers pages of a process into a huge one, the copy looks like memory of its own, and is full of the
  // addresses that we hold.
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

Result<std::unique_ptr<kernel::Target>> Session::open_kernel(unsigned threads) {
  kernel::TargetPaths paths;
  auto open_source = [&]() -> Result<std::unique_ptr<kernel::Source>> { return TRY(kernel::LiveSource::open(paths, threads)); };
  return kernel::Target::open(open_source, paths, look_hooks());
}

kernel::LookHooks Session::look_hooks() {
  return {.keep_going = keep_going(), .progress = [this](std::string_view what) { step(std::string(what)); }};
}

std::function<bool()> Session::keep_going() const {
  return [] { return !is_interrupted(); };
}

int Session::finish(const std::string& output, const std::string& text, int status) {
  progress_.reset();
  Result<void> written = output.empty() ? write_stdout(text) : write_output(output, text);
  return written ? status : fail(written.error());
}

int Session::fail(const Error& error) {
  progress_.reset();
  fmt::print(stderr, "orphan: {}\n", why_not(error));
  return kCouldNotLook;
}

}  // namespace orphan::cli
