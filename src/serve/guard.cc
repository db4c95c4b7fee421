// SPDX-License-Identifier: Apache-2.0
#include "serve/guard.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <vector>

namespace orphan::serve {
namespace {

constexpr const char* kKcore = "/proc/kcore";

// In the end the daemon is gone. Whoever may have been started after it has a mount that lives.
[[noreturn]] void watch_until_end(int line) {
  ::prctl(PR_SET_NAME, "orphan-guard", 0, 0, 0);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  ::chdir("/");
  std::vector<std::string> mount_points;
  std::array<char, PATH_MAX> path;
  for (;;) {
    ssize_t size = ::recv(line, path.data(), path.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    std::string message(path.data(), static_cast<std::size_t>(size));
    if (message == kKcore)
      Fd(::open(kKcore, O_RDONLY | O_CLOEXEC));
    else
      mount_points.push_back(std::move(message));
    char done = 1;
    ::send(line, &done, 1, MSG_NOSIGNAL);
  }
  for (auto point = mount_points.rbegin(); point != mount_points.rend(); ++point) {
    if (is_dead_mount(*point)) ::umount2(point->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  }
  ::_exit(0);
}

}  // namespace

bool is_dead_mount(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

Result<Guard> Guard::start() {
  std::array<int, 2> ends{};
  // Packets: each has one path.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return system_error("socketpair", errno);
  Fd ours(ends[0]), its(ends[1]);
  pid_t pid = ::fork();
  if (pid < 0) return system_error("fork", errno);
  if (pid == 0) {
    ours = Fd();
    watch_until_end(its.value());
  }
  return Guard(pid, std::move(ours));
}

Result<void> Guard::watch(const std::string& mount_point) {
  char done = 0;
  bool is_told =
      ::send(line_.value(), mount_point.data(), mount_point.size(), MSG_NOSIGNAL) >= 0 && ::recv(line_.value(), &done, 1, 0) == 1;
  return is_told ? Result<void>() : Result<void>(system_error("the process that is to unmount " + mount_point, errno));
}

void Guard::renew_kcore() {
  // When the process is gone, memory that is plugged in later is not seen; the daemon will not live much longer either.
  (void)watch(kKcore);
}

Guard::~Guard() {
  if (pid_ == 0) return;
  line_ = Fd();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace orphan::serve
