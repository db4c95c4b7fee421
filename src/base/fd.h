// SPDX-License-Identifier: Apache-2.0
// Owned file descriptors and reading whole small files.
#pragma once
#include <unistd.h>

#include <string>
#include <utility>

#include "base/result.h"

namespace orphan {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int value() const { return fd_; }

 private:
  int fd_ = -1;
};

// Opens `path` with open(2)'s `flags` (O_CLOEXEC is added). Permission and NotFound are told apart from Io.
Result<Fd> open_file(const std::string& path, int flags);

// The whole of a file whose size is not known beforehand (procfs, sysfs). The error names the path.
Result<std::string> read_file(const std::string& path);

// The error for a failed system call: "<what>: <strerror>".
Error system_error(std::string_view what, int error_number);

}  // namespace orphan
