// SPDX-License-Identifier: Apache-2.0
#include "base/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace orphan {
namespace {

std::string_view remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: return "; make room there or name another file";
    case EFBIG: return "; raise the limit of file sizes (ulimit -f) or name another file";
    case EACCES:
    case EPERM:
    case EROFS: return "; name a file in a directory that you may write to";
    case ENOENT: return "; create its directory first";
    case ENOTDIR:
    case EISDIR: return "; name a file in an existing directory";
    case EBADF: return "; it is closed: redirect it to somewhere, or name a file";
    case EPIPE: return "; whoever reads it went away before the end";
    default: return "";
  }
}

}  // namespace

Error write_error(std::string_view what, std::string_view name, int error_number) {
  Error error = system_error("cannot write " + std::string(what) + " to " + std::string(name), error_number);
  return {error.code(), error.text() + std::string(remedy(error_number))};
}

std::string directory_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

Error NewFile::failed(int error_number) const {
  return write_error(what_, path_, error_number);
}

Result<NewFile> NewFile::create(const std::string& path, std::string_view what) {
  NewFile file(path, what);
  std::string directory = directory_of(path);
  // One without a name is gone with the process, however that ends. A name for it goes through /proc.
  int fd = ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd >= 0 && ::access(("/proc/self/fd/" + std::to_string(fd)).c_str(), F_OK) != 0) {
    ::close(fd);
    fd = -1;
  }
  if (fd < 0) {
    file.temporary_ = directory + ".orphan-XXXXXX";
    fd = ::mkostemp(file.temporary_.data(), O_CLOEXEC);  // mode 0600
    if (fd < 0) {
      file.temporary_.clear();
      return file.failed(errno);
    }
  }
  file.fd_ = Fd(fd);
  return file;
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      what_(std::move(other.what_)),
      temporary_(std::exchange(other.temporary_, std::string())),
      fd_(std::move(other.fd_)) {}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> NewFile::write(Bytes bytes) {
  while (!bytes.empty()) {
    ssize_t wrote = ::write(fd_.value(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return {};
}

// linkat(2) replaces nothing, so the file gets a name that nobody has, to be renamed. Returns 0 or the number of the error.
int NewFile::name_it(const std::string& directory) {
  std::string self = "/proc/self/fd/" + std::to_string(fd_.value());
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    std::string name = directory + ".orphan-" + std::to_string(::getpid()) + "-" + std::to_string(i);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporary_ = std::move(name);
      return 0;
    }
    if (errno != EEXIST) return errno;
  }
  return EEXIST;
}

Result<void> NewFile::commit() {
  std::string directory = directory_of(path_);
  if (::fsync(fd_.value()) != 0) return failed(errno);
  if (temporary_.empty()) {
    if (int error_number = name_it(directory)) return failed(error_number);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed(errno);
  temporary_.clear();
  // The file is in its place; a crash of the machine right now may still bring back the old one. Not all file systems can sync a
  // directory, and not every directory that can be written can be opened.
  Result<Fd> opened = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (opened) (void)::fsync(opened->value());
  return {};
}

}  // namespace orphan
