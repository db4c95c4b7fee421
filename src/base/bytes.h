// SPDX-License-Identifier: Apache-2.0
// Reading plain values out of bytes that somebody else wrote: copied, never cast, never past the end.
#pragma once
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "base/types.h"

namespace orphan {

using Bytes = std::span<const std::byte>;

// Copies all of `from` to the beginning of `to`, which has room for it. std::ranges::copy of bytes is a loop in g++ 12.
inline void copy_bytes(Bytes from, std::byte* to) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

// The T at `offset` in the byte order of this machine, or nothing when it would end past the end.
template <typename T>
  requires std::is_trivially_copyable_v<T>
std::optional<T> load(Bytes bytes, u64 offset) {
  if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// The same where the caller has already shown that it fits (inner loops).
template <typename T>
  requires std::is_trivially_copyable_v<T>
T load_unchecked(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace orphan
