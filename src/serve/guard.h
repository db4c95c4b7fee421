// SPDX-License-Identifier: Apache-2.0
// A process that does nothing but wait for the end of the daemon, and takes away what the daemon has mounted. So the daemon can
// give up the right to unmount, and a daemon that was killed leaves no dead mount behind, whose every use fails. When it is asked
// to, it opens /proc/kcore and closes it again: that makes the kernel bring the table of that file up to date, for those too that
// have it open.
#pragma once
#include <sys/types.h>

#include <string>

#include "base/fd.h"

namespace orphan::serve {

class Guard {
 public:
  // Before the process has a second thread, and before it opens what it does not want to share.
  static Result<Guard> start();
  Guard(Guard&& other) noexcept : pid_(std::exchange(other.pid_, 0)), line_(std::move(other.line_)) {}
  // Unmounts, and waits until that is done.
  ~Guard();

  // What is mounted here is to go at the end; the latest goes first.
  Result<void> watch(const std::string& mount_point);
  // After it /proc/kcore has the memory that was plugged in. From one thread at a time.
  void renew_kcore();

 private:
  Guard(pid_t pid, Fd line) : pid_(pid), line_(std::move(line)) {}

  pid_t pid_ = 0;
  Fd line_;  // of a socket pair: a message is a path
};

// Whether the file system there has lost the process that served it.
bool is_dead_mount(const std::string& path);

}  // namespace orphan::serve
