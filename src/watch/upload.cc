// SPDX-License-Identifier: Apache-2.0
#include "watch/upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <utility>

#include "watch/segment_file.h"

namespace orphan::watch {
namespace {

constexpr i64 kLongestRetryMs = i64{3600} * 1000;
// A command that takes longer hangs.
constexpr i64 kLongestUploadMs = i64{3600} * 1000;

bool is_harmless(std::string_view path) {
  constexpr std::string_view kOthers = "/._-+";
  return std::ranges::all_of(path, [=](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

std::string filled_in(const std::string& command, const std::string& path) {
  std::string text;
  std::size_t at = 0;
  for (std::size_t found = command.find("{}"); found != std::string::npos; found = command.find("{}", at)) {
    text += command.substr(at, found - at) + path;
    at = found + 2;
  }
  return at == 0 ? command + " " + path : text + command.substr(at);
}

// In a process group of its own: ^C at the terminal is for us, who end it. Nothing: it cannot be started, and errno says why.
std::optional<pid_t> spawn_shell(const std::string& text) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  std::string shell = "sh", option = "-c", copy = text;
  char* words[] = {shell.data(), option.data(), copy.data(), nullptr};
  pid_t pid = 0;
  errno = ::posix_spawn(&pid, "/bin/sh", &actions, &attributes, words, environ);
  bool is_started = errno == 0;
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return is_started ? std::optional(pid) : std::nullopt;
}

}  // namespace

Result<Uploads> Uploads::create(UploadOptions options, Notice notice) {
  if (!is_harmless(options.directory)) {
    return Error(ErrorCode::Usage,
                 "--export: with --upload its name is handed to a shell, so it may have only letters, digits "
                 "and / . _ - +");
  }
  return Uploads(std::move(options), std::move(notice));
}

Uploads::Uploads(UploadOptions options, Notice notice)
    : options_(std::move(options)), notice_(std::move(notice)), retry_ms_(static_cast<i64>(options_.first_retry_s * 1000)) {}

Uploads::Uploads(Uploads&& other) noexcept
    : options_(std::move(other.options_)),
      notice_(std::move(other.notice_)),
      child_(std::exchange(other.child_, 0)),
      name_(std::move(other.name_)),
      started_ms_(other.started_ms_),
      next_ms_(other.next_ms_),
      retry_ms_(other.retry_ms_),
      is_idle_(other.is_idle_),
      has_failed_(other.has_failed_) {}

Uploads::~Uploads() {
  end_child();
}

std::optional<std::string> Uploads::oldest() const {
  std::optional<std::string> oldest;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(options_.directory, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename();
    // What is still being written has no name, or one that begins with a dot.
    bool is_segment = name.ends_with(kSegmentSuffix) && !name.starts_with('.') && is_harmless(name);
    if (is_segment && (!oldest || name < *oldest)) oldest = std::move(name);
  }
  return oldest;
}

void Uploads::poll(i64 now_ms) {
  if (child_ > 0) {
    int status = 0;
    pid_t found = ::waitpid(child_, &status, WNOHANG);
    if (found == child_) {
      child_ = 0;
      ended(status, now_ms);
    } else if (now_ms - started_ms_ > kLongestUploadMs) {
      end_child();
      failed("it took more than an hour", now_ms);
    }
  }
  if (child_ > 0 || is_idle_ || now_ms < next_ms_) return;
  std::optional<std::string> name = oldest();
  is_idle_ = !name;
  if (name) start(*name, now_ms);
}

void Uploads::start(const std::string& name, i64 now_ms) {
  name_ = name;
  started_ms_ = now_ms;
  std::optional<pid_t> child = spawn_shell(filled_in(options_.command, options_.directory + "/" + name));
  if (!child) {
    failed(std::strerror(errno), now_ms);
    return;
  }
  child_ = *child;
}

void Uploads::ended(int status, i64 now_ms) {
  if (!WIFEXITED(status)) {
    failed(fmt::format("signal {}", WTERMSIG(status)), now_ms);
    return;
  }
  if (WEXITSTATUS(status) != 0) {
    failed(fmt::format("exit status {}", WEXITSTATUS(status)), now_ms);
    return;
  }
  std::string path = options_.directory + "/" + name_;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    // It would be uploaded again and again.
    failed(fmt::format("it was uploaded, and cannot be removed: {}", std::strerror(errno)), now_ms);
    return;
  }
  if (std::exchange(has_failed_, false)) notice_(fmt::format("upload: {} is uploaded: it works again", name_));
  retry_ms_ = static_cast<i64>(options_.first_retry_s * 1000);
  next_ms_ = now_ms;
}

void Uploads::failed(const std::string& why, i64 now_ms) {
  if (!std::exchange(has_failed_, true)) {
    notice_(fmt::format("upload: {} failed ({}): it stays in {} and is tried again, in {} s for the first time", name_, why,
                        options_.directory, static_cast<double>(retry_ms_) / 1000));
  }
  next_ms_ = now_ms + retry_ms_;
  retry_ms_ = std::min(2 * retry_ms_, kLongestRetryMs);
}

void Uploads::end_child() {
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
