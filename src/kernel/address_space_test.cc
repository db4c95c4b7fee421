// SPDX-License-Identifier: Apache-2.0
#include "kernel/address_space.h"

#include <gtest/gtest.h>

#include "memory/fake_memory.h"

namespace orphan::kernel {
namespace {

constexpr Addr kLinear{0xffff'8880'0000'0000};
constexpr Addr kVmalloc{0xffff'c900'0000'0000};
constexpr Addr kModules{0xffff'ffff'c000'0000};
constexpr u64 kRam = 16 << 20;
constexpr u64 kMiB = 1 << 20, kGiB = 1 << 30;
constexpr u64 kFlags = 0x8000'0000'0000'0063;

// Page tables written by hand: the top one is the first page of memory.
class AddressSpaceTest : public testing::TestWithParam<u32> {
 protected:
  AddressSpaceTest() {
    memory_.map({kLinear, kRam});
    space_.linear_map = kLinear;
    space_.ram = {{kLinear, kRam}};
    space_.vmalloc = {kVmalloc, u64{1} << 40};
    space_.modules = {kModules, 16 * kMiB};
    space_.top_table = kLinear;
    space_.format.levels = GetParam();
    // Each frame of memory begins with its own number.
    for (u64 frame = 64; frame < kRam / kPageBytes; ++frame) memory_.put(kLinear + frame * kPageBytes, frame);
  }

  KernelMemory memory() const { return {memory_, space_}; }
  void map(Addr at, u64 entry, u64 page_bytes = kPageBytes) {
    Addr table = space_.top_table;
    for (u32 shift = 12 + 9 * (GetParam() - 1);; shift -= 9) {
      Addr place = table + (at.value >> shift & 511) * 8;
      if (u64{1} << shift == page_bytes) return memory_.put(place, entry);
      u64 next = *read_value<u64>(memory_, place);
      if (next == 0) memory_.put(place, next = ++tables_ * kPageBytes | kFlags);
      table = kLinear + (next & 0x000f'ffff'ffff'f000);
    }
  }

  FakeMemory memory_;
  AddressSpace space_;
  u64 tables_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Levels, AddressSpaceTest, testing::Values(4U, 5U));

TEST_P(AddressSpaceTest, AMappedAddressIsTranslated_WithTheRestOfItsPage) {
  map(kVmalloc + 5 * kPageBytes, 100 * kPageBytes | kFlags);
  auto mapping = memory().translate(kVmalloc + 5 * kPageBytes + 0x123);
  ASSERT_TRUE(mapping.has_value());
  EXPECT_EQ(mapping->physical, 100 * kPageBytes + 0x123);
  EXPECT_EQ(mapping->size_bytes, kPageBytes - 0x123);
  EXPECT_FALSE(memory().translate(kVmalloc + 6 * kPageBytes).has_value());
}

TEST_P(AddressSpaceTest, LargePagesAreTranslated_WhateverTheirAttributeBitsAre) {
  for (u64 page_bytes : {2 * kMiB, kGiB}) {
    map(kVmalloc + 4 * kGiB, u64{0x80'0000} / page_bytes * page_bytes | kFlags | 0x80 | 0x1000, page_bytes);
    auto mapping = memory().translate(kVmalloc + 4 * kGiB + 0x12'3456);
    ASSERT_TRUE(mapping.has_value()) << page_bytes;
    EXPECT_EQ(mapping->physical, u64{0x80'0000} / page_bytes * page_bytes + 0x12'3456) << page_bytes;
    EXPECT_EQ(mapping->size_bytes, page_bytes - 0x12'3456) << page_bytes;
    map(kVmalloc + 4 * kGiB, 0, kGiB);
  }
}

TEST_P(AddressSpaceTest, AHoleIsAsBigAsTheMissingEntrySays) {
  map(kVmalloc, 100 * kPageBytes | kFlags);
  KernelMemory memory = this->memory();
  struct Case {
    u64 offset, hole;
  };
  for (const Case& c : {Case{kPageBytes, kPageBytes}, Case{kPageBytes + 16, kPageBytes - 16}, Case{2 * kMiB, 2 * kMiB},
                        Case{3 * kMiB, kMiB}, Case{kGiB, kGiB}, Case{512 * kGiB, 512 * kGiB}}) {
    EXPECT_FALSE(memory.translate(kVmalloc + c.offset).has_value()) << c.offset;
    EXPECT_EQ(memory.hole_bytes(kVmalloc + c.offset), c.hole) << c.offset;
  }
}

TEST_P(AddressSpaceTest, EncryptionBitsAreNoPartOfAnAddress) {
  constexpr u64 kEncrypted = u64{1} << 47;
  map(kVmalloc, 100 * kPageBytes | kFlags | kEncrypted);
  EXPECT_EQ(memory().translate(kVmalloc)->physical, 100 * kPageBytes + kEncrypted);
  space_.format.address_mask &= ~kEncrypted;
  EXPECT_EQ(memory().translate(kVmalloc)->physical, 100 * kPageBytes);
}

TEST_P(AddressSpaceTest, MappedMemoryIsReadFromBehindItsPages_InTheirOrder) {
  for (Addr base : {kVmalloc, kModules}) {
    u64 frames[] = {200, 150, 151, 90};
    for (u64 i = 0; i < 4; ++i) map(base + i * kPageBytes, frames[i] * kPageBytes | kFlags);
    std::vector<std::byte> out(4 * kPageBytes - 8);
    ASSERT_TRUE(memory().read(base, out));
    for (u64 i = 0; i < 4; ++i) EXPECT_EQ(load<u64>(out, i * kPageBytes), frames[i]);
    EXPECT_EQ(*read_value<u64>(memory(), base + 2 * kPageBytes), 151U);
  }
}

TEST_P(AddressSpaceTest, PagesThatLieSideBySideAreReadInOnePiece) {
  for (u64 i = 0; i < 4; ++i) map(kVmalloc + i * kPageBytes, (100 + i) * kPageBytes | kFlags);
  KernelMemory memory = this->memory();
  ASSERT_TRUE(memory.translate(kVmalloc).has_value());  // the tables are known now
  u64 before = memory_.reads();
  std::vector<std::byte> out(4 * kPageBytes);
  ASSERT_TRUE(memory.read(kVmalloc, out));
  EXPECT_EQ(memory_.reads() - before, 1U);
}

TEST_P(AddressSpaceTest, AMissingPageFailsTheWholeRead) {
  map(kVmalloc, 100 * kPageBytes | kFlags);
  map(kVmalloc + 2 * kPageBytes, 102 * kPageBytes | kFlags);
  std::vector<std::byte> out(3 * kPageBytes);
  auto result = memory().read(kVmalloc, out);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::NotMapped);
  EXPECT_FALSE(memory().view(kVmalloc, out));
  EXPECT_TRUE(memory().view(kVmalloc, std::span(out).first(kPageBytes)));
}

TEST_P(AddressSpaceTest, TheLinearMapIsReadAsItIs) {
  EXPECT_EQ(*read_value<u64>(memory(), kLinear + 99 * kPageBytes), 99U);
  EXPECT_FALSE(read_value<u64>(memory(), kLinear + kRam));
}

TEST_P(AddressSpaceTest, AnEntryThatPointsOutOfMemoryMapsNothing) {
  map(kVmalloc, 0x000f'ffff'ffff'f000 | kFlags, 2 * kMiB);  // a table that is not there
  EXPECT_FALSE(memory().translate(kVmalloc).has_value());
  EXPECT_EQ(memory().hole_bytes(kVmalloc), kPageBytes);
  map(kVmalloc + kGiB, 0x000f'ffff'ffff'f000 | kFlags);  // a page that is not there
  std::vector<std::byte> out(8);
  EXPECT_FALSE(memory().read(kVmalloc + kGiB, out));
}

TEST_P(AddressSpaceTest, ATableThatPointsToItselfEndsAtTheLowestLevel) {
  memory_.put(space_.top_table + (kVmalloc.value >> (12 + 9 * (GetParam() - 1)) & 511) * 8, u64{kFlags});  // to itself: frame 0
  KernelMemory memory = this->memory();
  memory.translate(kVmalloc);
  for (u64 i = 0; i < 512; ++i) memory_.put(space_.top_table + i * 8, u64{kFlags});
  memory.forget_tables();
  EXPECT_EQ(memory.translate(kVmalloc)->physical, 0U);
}

TEST_P(AddressSpaceTest, TablesAreKeptUntilTheyAreForgotten) {
  map(kVmalloc, 100 * kPageBytes | kFlags);
  KernelMemory memory = this->memory();
  ASSERT_EQ(memory.translate(kVmalloc)->physical, 100 * kPageBytes);
  map(kVmalloc, 101 * kPageBytes | kFlags);
  EXPECT_EQ(memory.translate(kVmalloc)->physical, 100 * kPageBytes);
  memory.forget_tables();
  EXPECT_EQ(memory.translate(kVmalloc)->physical, 101 * kPageBytes);
}

TEST(AddressSpace, ItsLinearSpanReachesFromTheFirstToTheLastByteOfRam) {
  AddressSpace space;
  EXPECT_EQ(space.linear_span(), Range());
  space.ram = {{kLinear, kMiB}, {kLinear + 4 * kMiB, kMiB}};
  EXPECT_EQ(space.linear_span(), (Range{kLinear, 5 * kMiB}));
}

}  // namespace
}  // namespace orphan::kernel
