// SPDX-License-Identifier: Apache-2.0
// What the daemon tells: on standard error, which is the journal's under systemd, and kept for those who read the log file. A
// kept line has the time since boot in front, as the kernel's log has it, so that what reads one reads the other.
#pragma once
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "base/types.h"

namespace orphan::serve {

class Log {
 public:
  static constexpr std::size_t kMostBytes = 256 << 10;  // are kept, the newest

  // In front of what the detector says, so that who searches a kernel's log for it finds it here as well.
  static constexpr std::string_view kDetector = "kmemleak: ";

  // Each line of `text` is one of the log. From any thread.
  void say(std::string_view text, std::string_view prefix = "orphan: ") { add(text, prefix, true); }
  // Is not printed.
  void keep(std::string_view text) { add(text, "", false); }

  std::string text() const;

 private:
  void add(std::string_view text, std::string_view prefix, bool is_printed);

  mutable std::mutex mutex_;
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
};

}  // namespace orphan::serve
