// SPDX-License-Identifier: Apache-2.0
// Addresses of a target. They are never pointers of ours: an Addr cannot be dereferenced, nor mixed up with a size.
#pragma once
#include <compare>
#include <functional>

#include "base/types.h"

namespace orphan {

struct Addr {
  u64 value = 0;

  constexpr auto operator<=>(const Addr&) const = default;
  constexpr explicit operator bool() const { return value != 0; }
  constexpr Addr& operator+=(u64 bytes) {
    value += bytes;
    return *this;
  }
};

// Arithmetic wraps, as the target's own does.
constexpr Addr operator+(Addr a, u64 bytes) {
  return Addr{a.value + bytes};
}
constexpr Addr operator-(Addr a, u64 bytes) {
  return Addr{a.value - bytes};
}
constexpr u64 operator-(Addr a, Addr b) {
  return a.value - b.value;
}

// [start, start + size_bytes). An empty range contains nothing.
struct Range {
  Addr start;
  u64 size_bytes = 0;

  constexpr auto operator<=>(const Range&) const = default;
  constexpr Addr end() const { return start + size_bytes; }
  constexpr bool contains(Addr a) const { return a - start < size_bytes; }
  constexpr bool contains(Range other) const {
    return contains(other.start) && other.size_bytes <= size_bytes - (other.start - start);
  }
};

constexpr u64 align_down(u64 value, u64 alignment) {
  return value & ~(alignment - 1);
}
constexpr u64 align_up(u64 value, u64 alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

}  // namespace orphan

template <>
struct std::hash<orphan::Addr> {
  std::size_t operator()(orphan::Addr a) const noexcept { return std::hash<orphan::u64>{}(a.value); }
};
