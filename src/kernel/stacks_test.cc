// SPDX-License-Identifier: Apache-2.0
#include "kernel/stacks.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace orphan::kernel {
namespace {

constexpr Addr kSp{0xffff'c900'0000'1000};
constexpr u64 kText = 0xffff'ffff'8100'0000;
constexpr u64 kKthread = kText + 0x800;
constexpr StackText kStackText{.kernel = {Addr{kText}, 0x1000}, .kthread = Range{Addr{kKthread}, 0x80}};
constexpr u64 kFrame = 56;

std::ptrdiff_t count_of(const StackRoots& roots, u64 word) {
  return std::ranges::count(roots.words, word, &StackRoots::Word::value);
}

StackRoots roots_of(const std::vector<u64>& words, const StackText& text = kStackText, u64 frame = kFrame) {
  StackRoots roots;
  add_sleeping_stack(kSp, std::as_bytes(std::span(words)), frame, text, roots);
  return roots;
}

TEST(SleepingStack, WithoutAReturnAddressAllOfItCounts) {
  StackRoots roots = roots_of(std::vector<u64>(64));
  ASSERT_EQ(roots.ranges.size(), 1U);
  EXPECT_EQ(roots.ranges[0], (Range{kSp, 512}));
  EXPECT_TRUE(roots.words.empty());
}

TEST(SleepingStack, BeginsSixWordsBelowTheReturnAddress) {
  std::vector<u64> words(64);
  words[20] = kText + 5;
  EXPECT_EQ(roots_of(words).ranges.at(0), (Range{kSp + 14 * 8, 50 * 8}));
  words[9] = kText + 5;
  EXPECT_EQ(roots_of(words).ranges.at(0), (Range{kSp + 3 * 8, 61 * 8}));
}

TEST(SleepingStack, TheReturnAddressIsLookedForAboveWhatTheSwitchPushed) {
  std::vector<u64> words(64);
  words[6] = kText + 5;  // the switch's own return address
  words[30] = kText + 5;
  EXPECT_EQ(roots_of(words).ranges.at(0).start, kSp + 24 * 8);
  EXPECT_EQ(roots_of(words, kStackText, 0).ranges.at(0).start, kSp) << "a kernel that does not tell";
}

TEST(SleepingStack, OfAKernelThreadOnlyTheFramesAboveKthreadCount_WithoutCopiesOfTheWordsBelow) {
  std::vector<u64> words(64);
  words[10] = kText + 5;
  words[20] = 0x1111;
  words[21] = 0x2222;
  words[50] = kKthread + 4;
  words[60] = 0x2222;
  StackRoots roots = roots_of(words);
  EXPECT_TRUE(roots.ranges.empty());
  EXPECT_EQ(count_of(roots, 0x1111), 1);
  EXPECT_EQ(count_of(roots, 0x2222), 0);
}

TEST(SleepingStack, TheAddressOfKthreadItselfIsNoReturnAddress) {
  std::vector<u64> words(64);
  words[10] = kText + 5;
  words[40] = 0x1111;
  words[50] = kKthread + 4;
  words[55] = 0x2222;
  words[60] = kKthread;
  StackRoots roots = roots_of(words);
  EXPECT_EQ(count_of(roots, 0x1111), 1);
  EXPECT_EQ(count_of(roots, 0x2222), 0);
}

TEST(SleepingStack, WhatAKernelThreadsFunctionSavedDoesNotCount_NorItsCopies) {
  std::vector<u64> words(64);
  words[10] = kText + 5;
  words[20] = words[49] = 0x1111;
  words[48] = 0x2222;
  words[47] = 0x3333;
  words[50] = kKthread + 4;
  StackText text = kStackText;
  text.saved_registers = 2;
  StackRoots roots = roots_of(words, text);
  EXPECT_EQ(count_of(roots, 0x1111), 0);
  EXPECT_EQ(count_of(roots, 0x2222), 0);
  EXPECT_EQ(count_of(roots, 0x3333), 1);
}

TEST(SleepingStack, OfSeveralAddressesInKthreadTheHighestIsTaken) {
  std::vector<u64> words(64);
  words[30] = kKthread + 8;  // left behind by an earlier call
  words[40] = 0x1111;
  words[50] = kKthread + 4;
  EXPECT_EQ(count_of(roots_of(words), 0x1111), 1);
}

TEST(SleepingStack, AProcesssStackCountsToItsEnd_WhateverStandsThere) {
  std::vector<u64> words(64);
  words[50] = kKthread + 4;
  StackText text = kStackText;
  text.kthread.reset();
  EXPECT_EQ(roots_of(words, text).ranges.at(0).end(), kSp + 512);
}

TEST(SleepingStack, AShortStackIsReadToItsEndAndNoFurther) {
  for (std::size_t count = 0; count < 12; ++count) {
    for (u64 word : {u64{0}, kText + 1, kKthread + 1}) {
      StackRoots roots = roots_of(std::vector<u64>(count, word));
      for (Range range : roots.ranges) EXPECT_TRUE((Range{kSp, count * 8}.contains(range)));
      StackText text = kStackText;
      text.saved_registers = 6;
      EXPECT_LE(roots_of(std::vector<u64>(count, word), text).words.size(), count);
    }
  }
}

}  // namespace
}  // namespace orphan::kernel
