// SPDX-License-Identifier: Apache-2.0
#include "report/output.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <optional>

#include "base/new_file.h"

namespace orphan {
namespace {

Error report_error(std::string_view name, int error_number) {
  return write_error("the report", name, error_number);
}

// While it lives, writing to a pipe without a reader is EPIPE and no signal, in this thread.
class SigpipeBlocked {
 public:
  SigpipeBlocked() {
    ::sigemptyset(&sigpipe_);
    ::sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  SigpipeBlocked(const SigpipeBlocked&) = delete;
  SigpipeBlocked& operator=(const SigpipeBlocked&) = delete;
  ~SigpipeBlocked() {
    constexpr timespec kNoWait{};
    while (!was_pending_ && ::sigtimedwait(&sigpipe_, nullptr, &kNoWait) < 0 && errno == EINTR) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t sigpipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

// 0 or the number of the error.
int write_all(int fd, std::string_view text) {
  SigpipeBlocked blocked;
  while (!text.empty()) {
    ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote >= 0) {
      text.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno == EAGAIN) {
      // Somebody made our terminal or pipe non-blocking: it is shared with other processes.
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return errno;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

bool is_on_procfs(const std::string& directory) {
  struct statfs filesystem;
  return ::statfs(directory.c_str(), &filesystem) == 0 && filesystem.f_type == PROC_SUPER_MAGIC;
}

// Follows symbolic links by hand up to one that lies on procfs: such a link (behind /dev/stdout, /dev/fd/5) is an open file, not
// a name, and replacing what it shows would take the file away from whoever has it open.
std::optional<std::string> name_on_procfs(std::string path) {
  constexpr int kMaxLinks = 40;
  for (int i = 0; i < kMaxLinks; ++i) {
    if (is_on_procfs(directory_of(path))) return path;
    char target[PATH_MAX];
    ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length <= 0) return std::nullopt;
    std::string next(target, static_cast<std::size_t>(length));
    path = next.front() == '/' ? next : directory_of(path) + next;
  }
  return std::nullopt;
}

// The descriptor of ours that a name on procfs stands for. Written to as it is, the text comes after what was written before;
// opened anew it would overwrite that, and a socket cannot be opened at all.
std::optional<int> own_descriptor(const std::string& name, const struct stat& status) {
  std::string_view number = std::string_view(name).substr(name.rfind('/') + 1);
  int fd = -1;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), fd);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  struct stat ours;
  if (::fstat(fd, &ours) != 0 || ours.st_dev != status.st_dev || ours.st_ino != status.st_ino) return std::nullopt;
  return fd;
}

Result<void> write_directly(const std::string& path, std::string_view text) {
  int fd = ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return report_error(path, errno);
  Fd owner(fd);
  if (int failed = write_all(fd, text)) return report_error(path, failed);
  return {};
}

Result<void> replace_file(const std::string& path, std::string_view text) {
  NewFile file = TRY(NewFile::create(path, "the report"));
  TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

}  // namespace

Result<void> check_output(const std::string& path) {
  if (path.empty()) {
    if (::fcntl(STDOUT_FILENO, F_GETFD) < 0) return report_error("standard output", errno);
    return {};
  }
  struct stat status;
  bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) return report_error(path, EISDIR);
  if (exists && (!S_ISREG(status.st_mode) || name_on_procfs(path))) return {};
  TRY(NewFile::create(path, "the report"));
  return {};
}

Result<void> write_output(const std::string& path, std::string_view text) {
  struct stat status;
  bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) return report_error(path, EISDIR);
  std::optional<std::string> name = exists ? name_on_procfs(path) : std::nullopt;
  if (name) {
    std::optional<int> fd = own_descriptor(*name, status);
    if (!fd) return write_directly(path, text);
    if (int failed = write_all(*fd, text)) return report_error(path, failed);
    return {};
  }
  if (exists && !S_ISREG(status.st_mode)) return write_directly(path, text);
  return replace_file(path, text);
}

Result<void> write_stdout(std::string_view text) {
  if (int failed = write_all(STDOUT_FILENO, text)) return report_error("standard output", failed);
  return {};
}

}  // namespace orphan
