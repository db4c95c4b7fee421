// SPDX-License-Identifier: Apache-2.0
// The lines of a file, one after the other, with little memory however long the file is; and the words and numbers of a line.
#pragma once
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace orphan::watch {

class LineReader {
 public:
  // The error of open() names the path, as does that of next(). `directory`: of a path that is relative, or AT_FDCWD.
  static Result<LineReader> open(const std::string& path);
  static Result<LineReader> open_at(int directory, const std::string& path);

  // Without its end of line; of a line of more than 64 KiB, which is in no file that is read here, only pieces of that size.
  // Valid until the next call. Nothing: that was all.
  Result<std::optional<std::string_view>> next();
  u64 number() const { return number_; }  // of the line, from 1 on

 private:
  LineReader(Fd fd, std::string path);
  std::string_view line(std::size_t length);

  Fd fd_;
  std::string path_;
  std::string buffer_;
  std::size_t start_ = 0, end_ = 0;
  bool has_ended_ = false;
  u64 number_ = 0;
};

// What stands between blanks.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}
  // Empty: there are no more.
  std::string_view next();
  // Without blanks before it.
  std::string_view rest();

 private:
  std::string_view rest_;
};

// The whole text as a decimal number.
template <typename T>
std::optional<T> number_in(std::string_view text) {
  T value{};
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string_view trimmed(std::string_view text);

}  // namespace orphan::watch
