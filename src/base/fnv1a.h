// SPDX-License-Identifier: Apache-2.0
// 64-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): a hash that stays the same over builds, machines and releases, for
// names that others keep.
#pragma once
#include <string_view>

#include "base/types.h"

namespace orphan {

class Fnv1a {
 public:
  void add(u64 value) {
    for (int shift = 0; shift < 64; shift += 8) add_byte(static_cast<u8>(value >> shift));
  }
  // With its length, so that "ab","c" and "a","bc" differ.
  void add(std::string_view text) {
    add(text.size());
    for (char c : text) add_byte(static_cast<u8>(c));
  }
  u64 value() const { return value_; }

 private:
  void add_byte(u8 byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  u64 value_ = 0xcbf29ce484222325;
};

}  // namespace orphan
