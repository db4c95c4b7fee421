// SPDX-License-Identifier: Apache-2.0
#include "scan/block_index.h"

#include <gtest/gtest.h>

#include <random>

#include "scan/fake_heap.h"

namespace orphan {
namespace {

constexpr Addr kLinear = FakeHeap::kLinear.start;
constexpr Addr kVmalloc = FakeHeap::kVmalloc.start;
constexpr Addr kCookies = FakeHeap::kCookies.start;
constexpr u64 kPage = 4096;

// The slot that the index gives for an address, or -1.
i64 slot_at(const BlockIndex& index, Addr at) {
  auto found = index.find(at.value);
  return found ? static_cast<i64>(found->slot) : -1;
}

TEST(BlockIndex, FirstAndLastByteOfABlockReferToIt_OnePastTheEndDoesNot) {
  for (Addr start : {kLinear + 3 * kPage, kVmalloc + 3 * kPage}) {
    FakeHeap heap;
    heap.add_block(start, 3 * kPage);
    BlockIndex index = heap.index();
    EXPECT_EQ(slot_at(index, start), 0);
    EXPECT_EQ(slot_at(index, start + 3 * kPage - 1), 0);
    EXPECT_EQ(slot_at(index, start + 3 * kPage), -1);
    EXPECT_EQ(slot_at(index, start - 1), -1);
  }
}

TEST(BlockIndex, PaddingBehindAnObjectBelongsToNoSlot) {
  FakeHeap heap;
  heap.add_slab(kLinear, 40, 96, 80);
  BlockIndex index = heap.index();
  for (u64 slot = 0; slot < 40; ++slot) {
    EXPECT_EQ(slot_at(index, kLinear + slot * 96), static_cast<i64>(slot));
    EXPECT_EQ(slot_at(index, kLinear + slot * 96 + 79), static_cast<i64>(slot));
    EXPECT_EQ(slot_at(index, kLinear + slot * 96 + 80), -1);
    EXPECT_EQ(slot_at(index, kLinear + slot * 96 + 95), -1);
  }
  EXPECT_EQ(slot_at(index, kLinear + 40 * 96), -1);
}

TEST(BlockIndex, TheRoomBeforeTheFirstSlotOfASlabBelongsToNoSlot) {
  FakeHeap heap;
  heap.add_slab(kLinear + 64, 30, 128, 64);
  BlockIndex index = heap.index();
  EXPECT_EQ(slot_at(index, kLinear), -1);
  EXPECT_EQ(slot_at(index, kLinear + 63), -1);
  EXPECT_EQ(slot_at(index, kLinear + 64), 0);
}

TEST(BlockIndex, WhereTheLastSlotReachesIntoTheNextPageThatPageIsItsOwnSpans) {
  for (bool is_first_last : {false, true}) {
    FakeHeap heap;
    Addr starts[] = {kLinear + 16, kLinear + kPage + 16};
    if (is_first_last) std::swap(starts[0], starts[1]);
    for (Addr start : starts) heap.add_slab(start, 64, 64, 32);
    BlockIndex index = heap.index();
    for (u64 i = 0; i < 2; ++i) {
      EXPECT_EQ(slot_at(index, starts[i]), static_cast<i64>(i * 64));
      EXPECT_EQ(slot_at(index, starts[i] + 63 * 64 + 31), static_cast<i64>(i * 64 + 63));
    }
  }
}

TEST(BlockIndex, ASpanOfSeveralPagesIsFoundFromEachOfThem_AcrossTheTablesLeavesToo) {
  FakeHeap heap;
  Addr start = kLinear + (2 << 20) - 2 * kPage;  // a leaf has 2 MiB
  heap.add_slab(start, 64, 512, 512);            // eight pages
  heap.add_block(start + 8 * kPage, 100);
  BlockIndex index = heap.index();
  for (u64 slot = 0; slot < 64; ++slot) EXPECT_EQ(slot_at(index, start + slot * 512 + 7), static_cast<i64>(slot));
  EXPECT_EQ(slot_at(index, start + 8 * kPage), 64);
  EXPECT_EQ(slot_at(index, start + 8 * kPage + 100), -1);
}

TEST(BlockIndex, ABlockAtEitherEndOfThePagedWindowIsFound) {
  FakeHeap heap;
  Addr last = FakeHeap::kLinear.end() - kPage;
  heap.add_block(kLinear, 8);
  heap.add_slab(last, 4, 1024, 1024);
  BlockIndex index = heap.index();
  EXPECT_EQ(slot_at(index, kLinear), 0);
  EXPECT_EQ(slot_at(index, FakeHeap::kLinear.end() - 1), 4);
  EXPECT_EQ(slot_at(index, FakeHeap::kLinear.end()), -1);
}

TEST(BlockIndex, SortedBlocksAreFoundInWhateverOrderTheyWereAdded) {
  FakeHeap heap;
  for (u64 page : {40U, 8U, 24U, 0U, 16U}) heap.add_block(kVmalloc + page * kPage, 2 * kPage);
  BlockIndex index = heap.index();
  EXPECT_EQ(slot_at(index, kVmalloc + 40 * kPage + 5), 0);
  EXPECT_EQ(slot_at(index, kVmalloc + 9 * kPage), 1);
  EXPECT_EQ(slot_at(index, kVmalloc), 3);
  EXPECT_EQ(slot_at(index, kVmalloc + 2 * kPage), -1) << "the guard page";
  EXPECT_EQ(slot_at(index, kVmalloc + 100 * kPage), -1);
}

TEST(BlockIndex, InAnExactWindowOnlyTheStartRefers_WithAnyOfTheTwoLowFlagBits) {
  FakeHeap heap;
  heap.add_block(kCookies + 0x100, 64, span_flag::kReplicated);
  BlockIndex index = heap.index();
  for (u64 flags = 0; flags < 4; ++flags) EXPECT_EQ(slot_at(index, kCookies + 0x100 + flags), 0) << flags;
  EXPECT_EQ(slot_at(index, kCookies + 0x104), -1);
  EXPECT_EQ(slot_at(index, kCookies + 0x13f), -1);
  EXPECT_EQ(slot_at(index, kCookies + 0xff), -1);
}

TEST(BlockIndex, AnAliasStandsForTheBlockBehindIt_InteriorAddressesToo) {
  FakeHeap heap;
  heap.add_block(kCookies + 0x100, 64, span_flag::kReplicated);
  heap.snapshot.add_alias(kLinear + 8 * kPage, kPage, kCookies);       // paged
  heap.snapshot.add_alias(kVmalloc + 8 * kPage, 2 * kPage, kCookies);  // sorted
  BlockIndex index = heap.index();
  for (Addr copy : {kLinear + 8 * kPage, kVmalloc + 8 * kPage}) {
    EXPECT_EQ(slot_at(index, copy + 0x100), 0);
    EXPECT_EQ(slot_at(index, copy + 0x13f), 0);
    EXPECT_EQ(slot_at(index, copy + 0x140), -1);
    EXPECT_EQ(slot_at(index, copy + 0xff), -1);
  }
  EXPECT_EQ(slot_at(index, kLinear + 9 * kPage + 0x100), -1) << "behind the alias";
}

TEST(BlockIndex, AliasesOfAliasesLeadNowhere) {
  FakeHeap heap;
  heap.add_block(kVmalloc, kPage);
  heap.snapshot.add_alias(kVmalloc + 8 * kPage, kPage, kVmalloc + 8 * kPage);    // of itself
  heap.snapshot.add_alias(kVmalloc + 16 * kPage, kPage, kVmalloc + 24 * kPage);  // of one another
  heap.snapshot.add_alias(kVmalloc + 24 * kPage, kPage, kVmalloc + 16 * kPage);
  BlockIndex index = heap.index();
  EXPECT_EQ(slot_at(index, kVmalloc + 8 * kPage), -1);
  EXPECT_EQ(slot_at(index, kVmalloc + 16 * kPage), -1);
}

TEST(BlockIndex, APageDescriptorRefersToTheBlockInItsPage_OnlyIfTheBlockIsKnownByPage) {
  FakeHeap heap;
  heap.add_block(kLinear + 4 * kPage, 4 * kPage, span_flag::kByPage);
  heap.add_slab(kLinear + 16 * kPage, 8, 512, 512);
  heap.snapshot.page_descriptors = {FakeHeap::kDescriptors, 64, kLinear};
  BlockIndex index = heap.index();
  Addr descriptors = FakeHeap::kDescriptors.start;
  EXPECT_EQ(slot_at(index, descriptors + 3 * 64 + 63), -1);
  EXPECT_EQ(slot_at(index, descriptors + 4 * 64), 0);
  EXPECT_EQ(slot_at(index, descriptors + 4 * 64 + 8), 0) << "into the descriptor, a list node";
  EXPECT_EQ(slot_at(index, descriptors + 7 * 64), 0) << "of a tail page";
  EXPECT_EQ(slot_at(index, descriptors + 8 * 64), -1);
  EXPECT_EQ(slot_at(index, descriptors + 16 * 64), -1) << "a slab";
  EXPECT_EQ(slot_at(index, FakeHeap::kDescriptors.end()), -1);
}

TEST(BlockIndex, WordsThatAreNoAddressesReferToNothing) {
  FakeHeap heap;
  heap.add_block(kLinear, kPage);
  heap.add_block(kVmalloc, kPage);
  BlockIndex index = heap.index();
  for (u64 word : {u64{0}, u64{1}, ~u64{0}, kLinear.value - 1, kVmalloc.value - 1, u64{0x7fff'ffff'f000}}) {
    EXPECT_FALSE(index.find(word).has_value()) << std::hex << word;
  }
}

// Blocks at either end of the address space, or at both.
TEST(BlockIndex, WhatLiesBetweenTheEndsOfTheAddressSpaceMayNotPass) {
  for (bool has_high : {false, true}) {
    for (bool has_low : {false, true}) {
      FakeHeap heap;
      if (has_high) heap.add_block(kVmalloc + kPage, kPage);
      if (has_low) heap.add_block(kCookies + 64, 16);
      BlockIndex index = heap.index();
      WordFilter filter = index.filter();
      EXPECT_EQ(filter.passes((kVmalloc + kPage).value), has_high);
      EXPECT_EQ(filter.passes((kVmalloc + 2 * kPage - 1).value), has_high);
      EXPECT_EQ(filter.passes((kCookies + 64).value), has_low);
      EXPECT_EQ(filter.passes((kCookies + 79).value), has_low);
      for (u64 word : {u64{0}, u64{1}, kCookies.value + 63, kCookies.value + 80, u64{0x6c65'616b'206d'6521}, ~u64{0} >> 1,
                       u64{1} << 63, kVmalloc.value + kPage - 1}) {
        EXPECT_FALSE(filter.passes(word)) << std::hex << word;
      }
      EXPECT_FALSE(filter.may_pass(0x6c65'616b'206d'6521));
    }
  }
}

TEST(BlockIndex, AnIndexWithoutBlocksFindsNothing) {
  FakeHeap heap;
  BlockIndex index = heap.index();
  EXPECT_FALSE(index.find(kLinear.value).has_value());
  EXPECT_FALSE(index.find(kVmalloc.value).has_value());
  EXPECT_FALSE(index.find(kCookies.value).has_value());
}

// The slot by division, as the index does it by multiplication.
TEST(BlockIndex, FindsTheSlotOfEveryByte_ForStridesOfAllKinds) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    u64 stride = 8 + random() % 9000;
    u64 object = 1 + random() % stride;
    u32 slots = static_cast<u32>(2 + random() % 60);
    FakeHeap heap;
    heap.add_slab(kLinear, slots, stride, object);
    BlockIndex index = heap.index();
    for (int i = 0; i < 200; ++i) {
      u64 offset = random() % ((slots + 1) * stride);
      u64 slot = offset / stride;
      i64 expected = slot < slots && offset % stride < object ? static_cast<i64>(slot) : -1;
      ASSERT_EQ(slot_at(index, kLinear + offset), expected) << "stride " << stride << ", object " << object << ", at " << offset;
    }
    for (u64 slot = 0; slot < slots; ++slot) {
      ASSERT_EQ(slot_at(index, kLinear + slot * stride), static_cast<i64>(slot)) << "stride " << stride;
      ASSERT_EQ(slot_at(index, kLinear + slot * stride + object - 1), static_cast<i64>(slot)) << "stride " << stride;
    }
  }
}

}  // namespace
}  // namespace orphan
