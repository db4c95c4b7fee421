// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace orphan {

Error system_error(std::string_view what, int error_number) {
  ErrorCode code = ErrorCode::Io;
  if (error_number == EACCES || error_number == EPERM) code = ErrorCode::Permission;
  if (error_number == ENOENT || error_number == ENOTDIR) code = ErrorCode::NotFound;
  if (error_number == EINTR) code = ErrorCode::Interrupted;
  if (error_number == ENOMEM) code = ErrorCode::OutOfMemory;
  char buffer[128];
  return {code, std::string(what) + ": " + ::strerror_r(error_number, buffer, sizeof buffer)};
}

Result<Fd> open_file(const std::string& path, int flags) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (fd < 0) return system_error(path, errno);
  return Fd(fd);
}

Result<std::string> read_file(const std::string& path) {
  Fd fd = TRY(open_file(path, O_RDONLY));
  std::string text;
  constexpr std::size_t kStep = 1 << 16;
  // A hint, where the file has a size at all: a text of megabytes is not copied again and again as it grows.
  constexpr off_t kMostReserved = 64 << 20;
  struct stat status;
  if (::fstat(fd.value(), &status) == 0 && status.st_size > 0 && status.st_size <= kMostReserved)
    text.reserve(static_cast<std::size_t>(status.st_size) + kStep);
  for (;;) {
    std::size_t used = text.size();
    if (text.capacity() - used < kStep) text.reserve(std::max(2 * text.capacity(), used + kStep));
    // Room is not cleared before it is read into: files of sysfs give a page at a time, however much is asked for.
    ssize_t got = 0;
    int error_number = 0;
    text.resize_and_overwrite(text.capacity(), [&](char* bytes, std::size_t size) {
      got = ::read(fd.value(), bytes + used, size - used);
      error_number = errno;
      return used + static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    });
    if (got == 0) return text;
    if (got < 0 && error_number != EINTR) return system_error(path, error_number);
  }
}

}  // namespace orphan
