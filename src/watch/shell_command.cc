// SPDX-License-Identifier: Apache-2.0
#include "watch/shell_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "base/fd.h"

namespace orphan::watch {
namespace {

// A file in memory, to be read from its start: a pipe would have to be fed.
Result<Fd> file_with(std::string_view text) {
  Fd file(::memfd_create("input", MFD_CLOEXEC));
  if (file.value() < 0) return system_error("a file in memory", errno);
  std::size_t written = 0;
  while (written < text.size()) {
    ssize_t size = ::pwrite(file.value(), text.data() + written, text.size() - written, static_cast<off_t>(written));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return system_error("a file in memory", errno);
    written += static_cast<std::size_t>(size);
  }
  return file;
}

}  // namespace

ShellCommand::ShellCommand(ShellCommand&& other) noexcept : child_(std::exchange(other.child_, 0)) {}

Result<void> ShellCommand::start(const std::string& text, std::string_view input) {
  VERIFY(!is_running());
  Fd file = TRY(file_with(input));
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawn_file_actions_adddup2(&actions, file.value(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  std::string shell = "sh", option = "-c", copy = text;
  char* words[] = {shell.data(), option.data(), copy.data(), nullptr};
  pid_t pid = 0;
  int error_number = ::posix_spawn(&pid, "/bin/sh", &actions, &attributes, words, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error_number != 0) return system_error("/bin/sh", error_number);
  child_ = pid;
  return {};
}

std::optional<Result<void>> ShellCommand::poll() {
  int status = 0;
  if (child_ <= 0 || ::waitpid(child_, &status, WNOHANG) != child_) return std::nullopt;
  child_ = 0;
  if (!WIFEXITED(status)) return Error(ErrorCode::Io, fmt::format("signal {}", WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) return Error(ErrorCode::Io, fmt::format("exit status {}", WEXITSTATUS(status)));
  return Result<void>();
}

void ShellCommand::end() {
  if (child_ <= 0) return;
  ::kill(-child_, SIGTERM);
  constexpr int kLooks = 100;
  timespec nap{0, 10'000'000};
  for (int i = 0; i < kLooks; ++i) {
    if (::waitpid(child_, nullptr, WNOHANG) != 0) {
      child_ = 0;
      return;
    }
    ::nanosleep(&nap, nullptr);
  }
  ::kill(-child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  child_ = 0;
}

}  // namespace orphan::watch
