// SPDX-License-Identifier: Apache-2.0
#include "memory/caching_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "memory/fake_memory.h"

namespace orphan {
namespace {

constexpr Addr kBase{0xffff'8880'0000'0000};
constexpr u64 kPage = 4096;
constexpr u64 kPlenty = 64 << 20;

// A page's bytes are all its own number.
class CachingMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    memory_.map({kBase, kPages * kPage});
    for (u64 page = 0; page < kPages; ++page) write_page(page, static_cast<u8>(page));
  }
  void write_page(u64 page, u8 value) { memory_.write(kBase + page * kPage, std::vector<std::byte>(kPage, std::byte{value})); }

  // The first byte of what view() gives, which must be the same throughout; -1: it failed.
  int viewed(const CachingMemory& cache, u64 page, u64 pages = 1) {
    std::vector<std::byte> scratch(pages * kPage);
    auto bytes = cache.view(kBase + page * kPage, scratch);
    if (!bytes) return -1;
    EXPECT_EQ(bytes->size(), scratch.size());
    for (u64 i = 0; i < bytes->size(); ++i) EXPECT_EQ((*bytes)[i], std::byte(page + i / kPage)) << "at byte " << i;
    return static_cast<int>((*bytes)[0]);
  }

  static constexpr u64 kPages = 600;
  FakeMemory memory_;
};

TEST_F(CachingMemoryTest, ASecondViewOfABlockCostsNoRead) {
  CachingMemory cache(memory_, kPlenty);
  EXPECT_EQ(viewed(cache, 3), 3);
  EXPECT_EQ(viewed(cache, 3), 3);
  EXPECT_EQ(memory_.reads(), 1U);
  EXPECT_EQ(cache.hits(), 1U);
  EXPECT_EQ(cache.misses(), 1U);
  EXPECT_EQ(cache.kept_bytes(), kPage);
}

TEST_F(CachingMemoryTest, AKeptBlockIsGivenOutWithoutACopy) {
  CachingMemory cache(memory_, kPlenty);
  std::vector<std::byte> scratch(kPage);
  auto first = cache.view(kBase, scratch);
  auto second = cache.view(kBase, scratch);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->data(), second->data());
  EXPECT_NE(first->data(), scratch.data());
}

TEST_F(CachingMemoryTest, ABlockIsSeenAsItWasWhenItWasReadUntilClear) {
  CachingMemory cache(memory_, kPlenty);
  EXPECT_EQ(viewed(cache, 3), 3);
  write_page(3, 200);
  EXPECT_EQ(viewed(cache, 3), 3);
  cache.clear();
  auto now = read_value<u8>(cache, kBase + 3 * kPage);
  ASSERT_TRUE(now);
  EXPECT_EQ(*now, 200);
}

TEST_F(CachingMemoryTest, APartOfAKeptBlockCostsNoRead_OneByteBeyondItDoes) {
  CachingMemory cache(memory_, kPlenty);
  ASSERT_EQ(viewed(cache, 10, 4), 10);
  std::vector<std::byte> scratch(2 * kPage);
  auto part = cache.view(kBase + 12 * kPage, scratch);
  ASSERT_TRUE(part);
  EXPECT_EQ(memory_.reads(), 1U);
  EXPECT_EQ(part->front(), std::byte{12});
  EXPECT_EQ(part->back(), std::byte{13});
  ASSERT_TRUE(cache.view(kBase + 12 * kPage + 1, scratch));
  EXPECT_EQ(memory_.reads(), 2U);
}

TEST_F(CachingMemoryTest, ReadSeesTheTargetAsItIsNow_WhateverIsKept) {
  CachingMemory cache(memory_, kPlenty);
  ASSERT_EQ(viewed(cache, 3), 3);
  write_page(3, 200);
  auto now = read_value<u8>(cache, kBase + 3 * kPage);
  ASSERT_TRUE(now);
  EXPECT_EQ(*now, 200);
}

TEST_F(CachingMemoryTest, ReadKeepsNothing) {
  CachingMemory cache(memory_, kPlenty);
  std::vector<std::byte> out(kPage);
  ASSERT_TRUE(cache.read(kBase, out));
  ASSERT_TRUE(cache.read(kBase, out));
  EXPECT_EQ(memory_.reads(), 2U);
  EXPECT_EQ(cache.allocated_bytes(), 0U);
}

TEST_F(CachingMemoryTest, ASmallViewIsNotKept) {
  CachingMemory cache(memory_, kPlenty);
  std::vector<std::byte> scratch(CachingMemory::kMinBlockSize - 1);
  ASSERT_TRUE(cache.view(kBase, scratch));
  ASSERT_TRUE(cache.view(kBase, scratch));
  EXPECT_EQ(memory_.reads(), 2U);
  EXPECT_EQ(cache.kept_bytes(), 0U);
}

TEST_F(CachingMemoryTest, BlocksThatShareAPageAreBothFound) {
  CachingMemory cache(memory_, kPlenty);
  std::vector<std::byte> scratch(kPage);
  ASSERT_TRUE(cache.view(kBase + 100, scratch));
  ASSERT_TRUE(cache.view(kBase + 100 + kPage, scratch));
  ASSERT_TRUE(cache.view(kBase + 100, scratch));
  ASSERT_TRUE(cache.view(kBase + 100 + kPage, scratch));
  EXPECT_EQ(memory_.reads(), 2U);
}

TEST_F(CachingMemoryTest, WhenFullNothingMoreIsKeptAndTheKeptStays) {
  CachingMemory cache(memory_, 2 * kPage);
  for (u64 page = 0; page < 4; ++page) EXPECT_EQ(viewed(cache, page), static_cast<int>(page));
  for (u64 page = 0; page < 4; ++page) EXPECT_EQ(viewed(cache, page), static_cast<int>(page));
  EXPECT_EQ(memory_.reads(), 4U + 2U);
  EXPECT_EQ(cache.hits(), 2U);
  EXPECT_LE(cache.allocated_bytes(), 2 * kPage);
}

TEST_F(CachingMemoryTest, NothingIsAllocatedBeforeItIsNeeded_NorAboveTheCapacity) {
  constexpr u64 kCapacity = (1 << 20) + 3 * kPage;
  CachingMemory cache(memory_, kCapacity);
  EXPECT_EQ(cache.allocated_bytes(), 0U);
  EXPECT_EQ(viewed(cache, 0), 0);
  EXPECT_LE(cache.allocated_bytes(), u64{1} << 20);
  for (u64 page = 1; page < 300; ++page) viewed(cache, page);
  EXPECT_EQ(cache.allocated_bytes(), kCapacity);
  EXPECT_EQ(cache.kept_bytes(), kCapacity);
}

TEST_F(CachingMemoryTest, ABlockBiggerThanAChunkIsKept) {
  CachingMemory cache(memory_, kPlenty);
  EXPECT_EQ(viewed(cache, 0, 600), 0);
  EXPECT_EQ(viewed(cache, 0, 600), 0);
  EXPECT_EQ(memory_.reads(), 1U);
}

TEST_F(CachingMemoryTest, ClearForgetsBlocksAndKeepsTheStorage) {
  CachingMemory cache(memory_, kPlenty);
  for (u64 page = 0; page < 600; ++page) viewed(cache, page);
  u64 allocated = cache.allocated_bytes();
  cache.clear();
  EXPECT_EQ(cache.kept_bytes(), 0U);
  for (u64 page = 0; page < 600; ++page) viewed(cache, page);
  EXPECT_EQ(memory_.reads(), 1200U);
  EXPECT_EQ(cache.allocated_bytes(), allocated);
}

TEST_F(CachingMemoryTest, AFailedReadIsNotKept) {
  for (u64 failing = 1; failing <= 3; ++failing) {
    CachingMemory cache(memory_, kPlenty);
    memory_.fail_read(failing);
    for (u64 page = 0; page < 3; ++page) EXPECT_EQ(viewed(cache, page), page + 1 == failing ? -1 : static_cast<int>(page));
    for (u64 page = 0; page < 3; ++page) EXPECT_EQ(viewed(cache, page), static_cast<int>(page));
    EXPECT_EQ(cache.kept_bytes(), 3 * kPage);
  }
}

TEST_F(CachingMemoryTest, ABlockThatItsReaderHandsOverIsFound) {
  CachingMemory cache(memory_, kPlenty);
  std::vector<std::byte> bytes(100, std::byte{77});
  cache.keep(kBase + 50, bytes);
  std::array<std::byte, 1> scratch;
  auto last = cache.view(kBase + 149, scratch);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->front(), std::byte{77});
  EXPECT_EQ(memory_.reads(), 0U);
}

TEST_F(CachingMemoryTest, NotMappedComesThrough) {
  CachingMemory cache(memory_, kPlenty);
  std::vector<std::byte> scratch(kPage);
  auto nothing = cache.view(Addr{0x1000}, scratch);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code(), ErrorCode::NotMapped);
  EXPECT_FALSE(cache.view(Addr{~u64{0} - 10}, scratch));
}

}  // namespace
}  // namespace orphan
