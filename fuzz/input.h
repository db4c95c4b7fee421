// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: taking an input apart, and giving it to readers of files.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/verify.h"

namespace orphan::fuzz {

class Input {
 public:
  Input(const u8* data, std::size_t size) : rest_(reinterpret_cast<const std::byte*>(data), size) {}

  // Zero where the input has ended.
  template <typename T>
  T number() {
    T value{};
    Bytes bytes = take(sizeof value);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  // Fewer where the input has ended.
  Bytes take(std::size_t size) {
    Bytes part = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(part.size());
    return part;
  }
  Bytes rest() { return take(rest_.size()); }
  bool has_ended() const { return rest_.empty(); }
  // A piece with its length before it.
  Bytes piece() { return take(number<u16>()); }

 private:
  Bytes rest_;
};

inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A file in memory with these bytes.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes) : fd_(::memfd_create("input", MFD_CLOEXEC)) {
    VERIFY(fd_.value() >= 0);
    VERIFY(::write(fd_.value(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.value()); }
  Fd take() { return std::move(fd_); }

 private:
  Fd fd_;
};

}  // namespace orphan::fuzz
