// SPDX-License-Identifier: Apache-2.0
// A vector of bits that takes its memory from a memory resource.
#pragma once
#include <algorithm>
#include <bit>
#include <memory_resource>
#include <vector>

#include "base/types.h"
#include "base/verify.h"

namespace orphan {

class BitVector {
 public:
  explicit BitVector(std::pmr::memory_resource* resource = std::pmr::get_default_resource()) : words_(resource) {}

  u64 size() const { return size_; }
  // New bits are clear.
  void resize(u64 bits) {
    size_ = bits;
    words_.resize((bits + 63) / 64);
    if (bits % 64 != 0) words_.back() &= (u64{1} << (bits % 64)) - 1;
  }
  bool test(u64 bit) const { return (words_[bit / 64] >> (bit % 64) & 1) != 0; }
  void set(u64 bit) { words_[bit / 64] |= u64{1} << (bit % 64); }
  void clear(u64 bit) { words_[bit / 64] &= ~(u64{1} << (bit % 64)); }
  // Sets the bit; true when it was clear.
  bool set_if_clear(u64 bit) {
    u64& word = words_[bit / 64];
    u64 mask = u64{1} << (bit % 64);
    if ((word & mask) != 0) return false;
    word |= mask;
    return true;
  }
  // Clears the bit; true when it was set.
  bool clear_if_set(u64 bit) {
    u64& word = words_[bit / 64];
    u64 mask = u64{1} << (bit % 64);
    if ((word & mask) == 0) return false;
    word &= ~mask;
    return true;
  }
  // Leaves the bits that are set here and not in `other`, which is as long.
  void subtract(const BitVector& other) {
    VERIFY(size_ == other.size_);
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
  }
  void set_range(u64 first, u64 count) {
    for (u64 bit = first; bit < first + count;) {
      u64 in_word = std::min<u64>(64 - bit % 64, first + count - bit);
      u64 mask = in_word == 64 ? ~u64{0} : ((u64{1} << in_word) - 1) << (bit % 64);
      words_[bit / 64] |= mask;
      bit += in_word;
    }
  }
  u64 count() const {
    u64 sum = 0;
    for (u64 word : words_) sum += static_cast<u64>(std::popcount(word));
    return sum;
  }
  u64 count(u64 first, u64 bits) const {
    u64 sum = 0;
    for_each(first, bits, [&](u64) { ++sum; });
    return sum;
  }
  // The first set bit at or after `from`, or size().
  u64 find_from(u64 from) const {
    if (from >= size_) return size_;
    u64 index = from / 64;
    u64 word = words_[index] & (~u64{0} << (from % 64));
    while (word == 0) {
      if (++index == words_.size()) return size_;
      word = words_[index];
    }
    return index * 64 + static_cast<u64>(std::countr_zero(word));
  }
  // Calls f(bit) for each set bit in [first, first + bits), ascending.
  template <typename F>
  void for_each(u64 first, u64 bits, F&& f) const {
    for (u64 bit = find_from(first); bit < first + bits; bit = find_from(bit + 1)) f(bit);
  }

 private:
  std::pmr::vector<u64> words_;
  u64 size_ = 0;
};

}  // namespace orphan
