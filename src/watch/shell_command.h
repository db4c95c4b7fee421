// SPDX-License-Identifier: Apache-2.0
// A command of the user's that runs beside whatever else the program does. It gets a process group of its own: ^C at the terminal
// is for us, who end it.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orphan::watch {

class ShellCommand {
 public:
  ShellCommand() = default;
  ShellCommand(ShellCommand&& other) noexcept;
  ShellCommand& operator=(ShellCommand&&) = delete;
  // Ends a command that still runs.
  ~ShellCommand() { end(); }

  // `input` is all that it can read; what it writes goes to standard error. One at a time.
  Result<void> start(const std::string& text, std::string_view input = {});
  bool is_running() const { return child_ > 0; }
  // Nothing: none runs, or it still does. An error says how it ended, unless that was with status 0.
  std::optional<Result<void>> poll();
  void end();

 private:
  pid_t child_ = 0;
};

}  // namespace orphan::watch
