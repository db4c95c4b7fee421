// SPDX-License-Identifier: Apache-2.0
// Hands alarms to a command of the user's, each on its standard input, one after the other, the oldest first. One that the
// command does not take is tried again later, and later each time; those behind it wait.
#pragma once
#include <deque>
#include <functional>
#include <string>

#include "base/types.h"
#include "watch/shell_command.h"

namespace orphan::watch {

class Alarms {
 public:
  using Notice = std::function<void(const std::string&)>;
  static constexpr std::size_t kMostWaiting = 1000;  // beyond, the oldest is lost, and counted

  Alarms(std::string command, double first_retry_s, Notice notice);

  void add(std::string text);
  // Looks after the command, and starts the next; to be called now and then. `now_ms` of a clock that is never set.
  void poll(i64 now_ms);
  bool is_running() const { return command_.is_running(); }
  // That were not taken yet.
  std::size_t waiting() const { return waiting_.size(); }

 private:
  void failed(const std::string& why, i64 now_ms);

  std::string text_;  // of the command
  Notice notice_;
  ShellCommand command_;
  std::deque<std::string> waiting_;  // the first one is what the command has
  i64 first_retry_ms_, retry_ms_;
  i64 started_ms_ = 0, next_ms_ = 0;
  u64 lost_ = 0;
  bool has_failed_ = false;
};

}  // namespace orphan::watch
