// SPDX-License-Identifier: Apache-2.0
// Brings lines to a SlubTrace: those of a file, which may be compressed or a pipe, and those that the kernel prints from now on.
#pragma once
#include <functional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "logs/slub_trace.h"

namespace orphan::logs {

// "-" is standard input. Errors name the file: it cannot be read, or it has no record of a trace at all (BadData). Of data that
// is damaged on the way what came before is followed, and `complain` is told.
Result<void> read_slub_log(const std::string& path, SlubTrace& trace, const SlubTrace::Complain& complain);

// What is printed to /dev/kmsg, which is `path`, for so long, or as long as `keep_going` says. What of it was lost the trace
// counts.
struct KmsgWatch {
  std::string path = "/dev/kmsg";
  double seconds = 0;
  std::function<bool()> keep_going;
  std::function<void()> look = {};  // now and then
};
class Kmsg {
 public:
  // From here on nothing is missed.
  static Result<Kmsg> open(const std::string& path);
  Result<void> follow(const KmsgWatch& watch, SlubTrace& trace);

 private:
  explicit Kmsg(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace orphan::logs
