// SPDX-License-Identifier: Apache-2.0
#include "watch/upload.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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
  if (auto done = command_.poll()) {
    ended(*done, now_ms);
  } else if (command_.is_running() && now_ms - started_ms_ > kLongestUploadMs) {
    command_.end();
    failed("it took more than an hour", now_ms);
  }
  if (command_.is_running() || is_idle_ || now_ms < next_ms_) return;
  std::optional<std::string> name = oldest();
  is_idle_ = !name;
  if (name) start(*name, now_ms);
}

void Uploads::start(const std::string& name, i64 now_ms) {
  name_ = name;
  started_ms_ = now_ms;
  auto started = command_.start(filled_in(options_.command, options_.directory + "/" + name));
  if (!started) failed(started.error().text(), now_ms);
}

void Uploads::ended(const Result<void>& done, i64 now_ms) {
  if (!done) {
    failed(done.error().text(), now_ms);
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

}  // namespace orphan::watch
