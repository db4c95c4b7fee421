// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_switch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace orphan::logs {
namespace {

// 0, or the error's number.
int write_word(const std::string& path, char word) {
  Fd file(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (file.value() < 0) return errno;
  ssize_t written = 0;
  while ((written = ::write(file.value(), &word, 1)) < 0 && errno == EINTR) {
  }
  return written == 1 ? 0 : errno;
}

// Reads until the end, which comes when nobody has the other end any more.
[[noreturn]] void wait_and_switch_off(int line, const std::string& path) {
  ::prctl(PR_SET_NAME, "orphan-guard", 0, 0, 0);
  ::setsid();  // ^C is for who started us
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT}) ::signal(signal, SIG_IGN);
  char ready = 1;
  ssize_t got = 0;
  while ((got = ::read(line, &ready, 1)) > 0 || (got < 0 && errno == EINTR)) {
  }
  ::_exit(write_word(path, '0'));
}

Error cannot_switch(const std::string& path, const std::string& cache, int error_number) {
  if (error_number == EINVAL) {
    return {ErrorCode::Unsupported, fmt::format("{}: the kernel traces no cache that is shared by several: boot it with "
                                                "slub_nomerge, or trace what it is merged with",
                                                path)};
  }
  bool is_read_only = error_number == EACCES || error_number == EPERM || error_number == EIO || error_number == EROFS;
  if (is_read_only) {
    return {ErrorCode::Unsupported, fmt::format("{}: this kernel switches no trace on while it runs (since 5.9 none does): {}",
                                                path, how_to_boot(cache))};
  }
  return system_error(path, error_number);
}

}  // namespace

std::string how_to_boot(const std::string& cache) {
  return fmt::format("boot it with slub_debug=T,{} on its command line (slab_debug=T,{} on newer ones, which know both)", cache,
                     cache);
}

Result<SlubSwitch> SlubSwitch::switch_on(const std::string& path, const std::string& cache) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return cannot_switch(path, cache, errno);
  // Root may write everything, and is told by some file systems only afterwards that nobody can.
  if ((status.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0) return cannot_switch(path, cache, EACCES);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe", errno);
  Fd its(ends[0]), ours(ends[1]);
  pid_t pid = ::fork();
  if (pid < 0) return system_error("fork", errno);
  if (pid == 0) {
    ours = Fd();
    wait_and_switch_off(its.value(), path);
  }
  // From here on it is switched off in every case.
  SlubSwitch guarded(path, std::move(ours), pid);
  if (int error_number = write_word(path, '1'); error_number != 0) return cannot_switch(path, cache, error_number);
  return guarded;
}

SlubSwitch::~SlubSwitch() {
  if (pid_ == 0) return;
  line_ = Fd();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace orphan::logs
