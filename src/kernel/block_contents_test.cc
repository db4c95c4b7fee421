// SPDX-License-Identifier: Apache-2.0
#include "kernel/block_contents.h"

#include <gtest/gtest.h>

#include "memory/fake_memory.h"

namespace orphan::kernel {
namespace {

constexpr Addr kPage{0xffff'8880'0010'0000};

u64 first_word(Bytes bytes) {
  return load<u64>(bytes, 0).value_or(0);
}

TEST(BlockContents, NeighboursInAPageAreReadTogether) {
  FakeMemory memory;
  memory.map({kPage, 8192});
  for (u64 offset = 0; offset < 8192; offset += 8) memory.put(kPage + offset, offset + 1);
  BlockContents contents(memory);
  for (u64 offset = 64; offset < 4096; offset += 64) {
    Bytes block = contents.of(kPage + offset, 64);
    EXPECT_EQ(block.size(), 64U);
    EXPECT_EQ(first_word(block), offset + 1);
  }
  EXPECT_EQ(memory.reads(), 1U);
  EXPECT_EQ(first_word(contents.of(kPage + 4096, 64)), 4097U);
  EXPECT_EQ(first_word(contents.of(kPage, 64)), 1U) << "before what was read";
  EXPECT_EQ(contents.of(kPage + 4000, 200).size(), 200U) << "across pages";
  EXPECT_EQ(memory.reads(), 4U);
}

TEST(BlockContents, WhatEndsWithTheMappedPartOfAPageIsRead_WhatGoesBeyondIsNot) {
  FakeMemory memory;
  memory.map({kPage, 128});
  memory.put(kPage + 64, u64{7});
  BlockContents contents(memory);
  EXPECT_EQ(first_word(contents.of(kPage + 64, 64)), 7U);
  EXPECT_TRUE(contents.of(kPage + 64, 65).empty());
  EXPECT_TRUE(contents.of(kPage + 128, 64).empty());
}

}  // namespace
}  // namespace orphan::kernel
