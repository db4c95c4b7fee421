// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_sizes.h"

#include <gtest/gtest.h>

namespace orphan::logs {
namespace {

TEST(SlubSizes, TheNameOfAKmallocHasItsSize) {
  struct Case {
    std::string_view cache;
    u64 bytes;
  };
  for (const Case& each :
       {Case{"kmalloc-4096", 4096}, Case{"kmalloc-4k", 4096}, Case{"kmalloc-8M", 8 << 20}, Case{"kmalloc-96", 96},
        Case{"dma-kmalloc-512", 512}, Case{"kmalloc-rcl-96", 96}, Case{"kmalloc-cg-2k", 2048}, Case{"kmalloc-rnd-05-8k", 8192},
        Case{"kmalloc-64(12:a-5.service)", 64}, Case{"dentry", 0}, Case{"bio-120", 0}, Case{"kmalloc-", 0},
        Case{"kmalloc-99999999999999999999", 0}, Case{"kmalloc-99999999M", 0}, Case{"", 0}}) {
    EXPECT_EQ(SlubSizes().of(each.cache), each.bytes) << each.cache;
  }
}

constexpr std::string_view kSlabinfo =
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> : slabdata\n"
    "dentry             12345  13000    192   21    1 : tunables    0    0    0 : slabdata    600    600      0\n"
    "kmalloc-64          1234   1280     80   64    1 : tunables    0    0    0 : slabdata     20     20      0\n";

TEST(SlubSizes, SlabinfoSaysWhatASlotTakes) {
  auto sizes = SlubSizes::from_slabinfo(kSlabinfo);
  ASSERT_TRUE(sizes);
  EXPECT_EQ(sizes->of("dentry"), 192U);
  EXPECT_EQ(sizes->of("dentry(12:a.service)"), 192U);
  EXPECT_EQ(sizes->of("kmalloc-64"), 80U);
  EXPECT_EQ(sizes->of("kmalloc-128"), 128U);
  EXPECT_EQ(sizes->of("inode"), 0U);
}

TEST(SlubSizes, WhatIsNoSlabinfoIsRefusedWithItsLine) {
  auto sizes = SlubSizes::from_slabinfo(std::string(kSlabinfo) + "MemTotal: 12 kB\n");
  ASSERT_FALSE(sizes);
  EXPECT_EQ(sizes.error().text(), "line 5 is none of /proc/slabinfo");
  EXPECT_FALSE(SlubSizes::from_slabinfo(""));
}

TEST(SlubSizes, TheMostBytesComeFirst) {
  std::vector<Leak> groups = {
      {.cache = "dentry", .total = {9, 0}}, {.cache = "kmalloc-64", .total = {5, 0}}, {.cache = "kmalloc-4k", .total = {1, 0}}};
  SlubSizes().apply(groups);
  EXPECT_EQ(groups[0].cache, "kmalloc-4k");
  EXPECT_EQ(groups[0].total.bytes, 4096U);
  EXPECT_EQ(groups[1].cache, "kmalloc-64");
  EXPECT_EQ(groups[2].total.bytes, 0U);
}

}  // namespace
}  // namespace orphan::logs
