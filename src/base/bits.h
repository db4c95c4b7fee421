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
  // Bit n is bit n % 64 of word n / 64. For loops that are to keep the address in a register.
  const u64* words() const { return words_.data(); }
  // New bits are clear.
  void resize(u64 bits) {
    size_ = bits;
    words_.resize((bits + 63) / 64);
    if (bits % 64 != 0) words_.back() &= (u64{1} << (bits % 64)) - 1;
  }
  // Room for so many bits, so that resize() up to there moves nothing.
  void reserve(u64 bits) { words_.reserve((bits + 63) / 64); }
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
  // Leaves the bits that are set in `all`, which is as long, and not here.
  void complement_within(const BitVector& all) {
    VERIFY(size_ == all.size_);
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] = all.words_[i] & ~words_[i];
  }
  void set_range(u64 first, u64 count) {
    for_each_word(first, count, [&](u64 word, u64 mask) { words_[word] |= mask; });
  }
  void clear_range(u64 first, u64 count) {
    for_each_word(first, count, [&](u64 word, u64 mask) { words_[word] &= ~mask; });
  }
  u64 count() const {
    u64 sum = 0;
    for (u64 word : words_) sum += static_cast<u64>(std::popcount(word));
    return sum;
  }
  u64 count(u64 first, u64 bits) const {
    u64 sum = 0;
    for_each_word(first, bits, [&](u64 word, u64 mask) { sum += static_cast<u64>(std::popcount(words_[word] & mask)); });
    return sum;
  }
  // The first set bit at or after `from`, or size().
  u64 find_from(u64 from) const { return find_in(from, size_); }
  // The first set bit in [from, end), or `end`, which is at most size(). Nothing behind `end` is looked at: who asks span by span
  // pays for the span.
  u64 find_in(u64 from, u64 end) const {
    if (from >= end) return end;
    u64 last = (end - 1) / 64;
    u64 index = from / 64;
    u64 word = words_[index] & (~u64{0} << (from % 64));
    while (word == 0) {
      if (index == last) return end;
      word = words_[++index];
    }
    return std::min(index * 64 + static_cast<u64>(std::countr_zero(word)), end);
  }
  // Calls f(bit) for each set bit in [first, first + bits), ascending.
  template <typename F>
  void for_each(u64 first, u64 bits, F&& f) const {
    for (u64 bit = find_in(first, first + bits); bit < first + bits; bit = find_in(bit + 1, first + bits)) f(bit);
  }

 private:
  // Calls f(index of a word, mask of its bits) for the words that [first, first + count) touches.
  template <typename F>
  static void for_each_word(u64 first, u64 count, F&& f) {
    for (u64 bit = first; bit < first + count;) {
      u64 in_word = std::min<u64>(64 - bit % 64, first + count - bit);
      f(bit / 64, (in_word == 64 ? ~u64{0} : (u64{1} << in_word) - 1) << (bit % 64));
      bit += in_word;
    }
  }

  std::pmr::vector<u64> words_;
  u64 size_ = 0;
};

}  // namespace orphan
