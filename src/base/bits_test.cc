// SPDX-License-Identifier: Apache-2.0
#include "base/bits.h"

#include <gtest/gtest.h>

#include <random>

namespace orphan {
namespace {

std::vector<u64> bits_of(const BitVector& bits, u64 first, u64 count) {
  std::vector<u64> found;
  bits.for_each(first, count, [&](u64 bit) { found.push_back(bit); });
  return found;
}

TEST(BitVector, NewBitsAreClear_AlsoThoseThatWereSetBeforeItShrank) {
  BitVector bits;
  bits.resize(130);
  bits.set_range(0, 130);
  bits.resize(65);
  bits.resize(130);
  EXPECT_EQ(bits.count(), 65U);
  EXPECT_TRUE(bits.test(64));
  EXPECT_FALSE(bits.test(65));
}

TEST(BitVector, SetIfClearSaysWhetherItWasClear) {
  BitVector bits;
  bits.resize(70);
  EXPECT_TRUE(bits.set_if_clear(69));
  EXPECT_FALSE(bits.set_if_clear(69));
  bits.clear(69);
  EXPECT_TRUE(bits.set_if_clear(69));
}

TEST(BitVector, FindFromGivesTheNextSetBit_OrTheSize) {
  BitVector bits;
  bits.resize(200);
  bits.set(63);
  bits.set(64);
  bits.set(199);
  EXPECT_EQ(bits.find_from(0), 63U);
  EXPECT_EQ(bits.find_from(64), 64U);
  EXPECT_EQ(bits.find_from(65), 199U);
  bits.clear(199);
  EXPECT_EQ(bits.find_from(65), 200U);
  EXPECT_EQ(bits.find_from(200), 200U);
  EXPECT_EQ(bits.find_from(~u64{0}), 200U);
}

TEST(BitVector, AnEmptyVectorHasNoBits) {
  BitVector bits;
  EXPECT_EQ(bits.find_from(0), 0U);
  EXPECT_EQ(bits.count(), 0U);
}

TEST(BitVector, ForEachStopsAtTheEndOfTheAskedRange) {
  BitVector bits;
  bits.resize(256);
  for (u64 bit : {0U, 9U, 10U, 63U, 64U, 128U, 255U}) bits.set(bit);
  EXPECT_EQ(bits_of(bits, 10, 54), (std::vector<u64>{10, 63}));
  EXPECT_EQ(bits_of(bits, 255, 1), (std::vector<u64>{255}));
  EXPECT_EQ(bits_of(bits, 65, 63), (std::vector<u64>{}));
}

TEST(BitVector, SubtractLeavesWhatIsOnlyHere) {
  BitVector bits, other;
  bits.resize(130);
  other.resize(130);
  for (u64 bit : {3U, 64U, 129U}) bits.set(bit);
  for (u64 bit : {4U, 64U}) other.set(bit);
  bits.subtract(other);
  EXPECT_EQ(bits_of(bits, 0, 130), (std::vector<u64>{3, 129}));
}

TEST(BitVector, FindInStopsAtTheEndOfItsRange) {
  BitVector bits;
  bits.resize(300);
  for (u64 bit : {3U, 130U, 299U}) bits.set(bit);
  EXPECT_EQ(bits.find_in(0, 300), 3U);
  EXPECT_EQ(bits.find_in(4, 130), 130U) << "none: the end";
  EXPECT_EQ(bits.find_in(4, 129), 129U);
  EXPECT_EQ(bits.find_in(4, 131), 130U);
  EXPECT_EQ(bits.find_in(131, 300), 299U);
  EXPECT_EQ(bits.find_in(200, 200), 200U);
  EXPECT_EQ(bits.find_from(300), 300U);
}

TEST(BitVector, ComplementWithinLeavesWhatIsOnlyThere) {
  BitVector bits, all;
  bits.resize(130);
  all.resize(130);
  for (u64 bit : {3U, 64U}) bits.set(bit);
  for (u64 bit : {4U, 64U, 129U}) all.set(bit);
  bits.complement_within(all);
  EXPECT_EQ(bits_of(bits, 0, 130), (std::vector<u64>{4, 129}));
}

TEST(BitVector, AgreesWithAVectorOfBoolsOnRandomRanges) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    u64 size = 1 + random() % 300;
    BitVector bits;
    bits.resize(size);
    std::vector<bool> plain(size);
    for (int i = 0; i < 4; ++i) {
      u64 first = random() % size, count = random() % (size - first + 1);
      bits.set_range(first, count);
      std::fill_n(plain.begin() + static_cast<std::ptrdiff_t>(first), count, true);
      u64 cleared = random() % size, more = random() % std::min<u64>(size - cleared, 80);
      bits.clear(cleared);
      bits.clear_range(cleared, more);
      std::fill_n(plain.begin() + static_cast<std::ptrdiff_t>(cleared), std::max<u64>(more, 1), false);
    }
    std::vector<u64> expected;
    for (u64 bit = 0; bit < size; ++bit) {
      if (plain[bit]) expected.push_back(bit);
    }
    ASSERT_EQ(bits_of(bits, 0, size), expected) << "round " << round;
    ASSERT_EQ(bits.count(), expected.size());
    ASSERT_EQ(bits.count(0, size), expected.size());
    u64 from = random() % size, count = random() % (size - from + 1);
    ASSERT_EQ(bits.count(from, count), bits_of(bits, from, count).size()) << from << " " << count;
  }
}

}  // namespace
}  // namespace orphan
