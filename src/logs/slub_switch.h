// SPDX-License-Identifier: Apache-2.0
// Switches the trace of a cache on, where the kernel can do that while it runs: /sys/kernel/slab/<cache>/trace, which can be
// written until 5.8 (since then the kernel's own checks could have been switched off under it, commit 060807f841ac). Whatever
// becomes of us, the trace is switched off again: a process that does nothing else waits for our end, and sees it as the end of a
// pipe, which no signal can prevent.
#pragma once
#include <sys/types.h>

#include <string>

#include "base/fd.h"

namespace orphan::logs {

class SlubSwitch {
 public:
  // `path` is the cache's file. Unsupported: it cannot be written; the error says what the kernel has to be booted with. Before
  // the process has a second thread.
  static Result<SlubSwitch> switch_on(const std::string& path, const std::string& cache);

  SlubSwitch(SlubSwitch&& other) noexcept
      : path_(std::move(other.path_)), line_(std::move(other.line_)), pid_(std::exchange(other.pid_, 0)) {}
  SlubSwitch& operator=(SlubSwitch&&) = delete;
  // Switches off, and waits until that is done.
  ~SlubSwitch();

 private:
  SlubSwitch(std::string path, Fd line, pid_t pid) : path_(std::move(path)), line_(std::move(line)), pid_(pid) {}

  std::string path_;
  Fd line_;  // of a pipe: its other end is the waiting process's
  pid_t pid_ = 0;
};

// "boot the kernel with slub_debug=T,CACHE".
std::string how_to_boot(const std::string& cache);

}  // namespace orphan::logs
