// SPDX-License-Identifier: Apache-2.0
#include "watch/line_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace orphan::watch {
namespace {

constexpr std::size_t kBuffer = 64 << 10;
constexpr std::string_view kBlanks = " \t\r";

}  // namespace

LineReader::LineReader(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {
  buffer_.resize(kBuffer);
}

Result<LineReader> LineReader::open(const std::string& path) {
  return open_at(AT_FDCWD, path);
}

Result<LineReader> LineReader::open_at(int directory, const std::string& path) {
  int fd = ::openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error(path, errno);
  return LineReader(Fd(fd), path);
}

std::string_view LineReader::line(std::size_t length) {
  std::string_view text(buffer_.data() + start_, length);
  ++number_;
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

Result<std::optional<std::string_view>> LineReader::next() {
  for (std::size_t looked = start_;;) {
    const void* found = std::memchr(buffer_.data() + looked, '\n', end_ - looked);
    if (found != nullptr) {
      auto length = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data()) - start_;
      std::string_view text = line(length);
      start_ += length + 1;
      return std::optional(text);
    }
    if (has_ended_ || (start_ == 0 && end_ == buffer_.size())) {
      if (start_ == end_) return std::optional<std::string_view>();
      std::string_view text = line(end_ - start_);
      start_ = end_;
      return std::optional(text);
    }
    std::memmove(buffer_.data(), buffer_.data() + start_, end_ - start_);
    end_ -= start_;
    looked = end_;
    start_ = 0;
    ssize_t got = ::read(fd_.value(), buffer_.data() + end_, buffer_.size() - end_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path_, errno);
    end_ += static_cast<std::size_t>(got);
    has_ended_ = got == 0;
  }
}

std::string_view Words::rest() {
  rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlanks), rest_.size()));
  return rest_;
}

std::string_view Words::next() {
  rest();
  std::string_view word = rest_.substr(0, rest_.find_first_of(kBlanks));
  rest_.remove_prefix(word.size());
  return word;
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  text.remove_suffix(text.size() - std::min(text.find_last_not_of(kBlanks) + 1, text.size()));
  return text;
}

}  // namespace orphan::watch
