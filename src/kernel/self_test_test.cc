// SPDX-License-Identifier: Apache-2.0
#include "kernel/self_test.h"

#include <gtest/gtest.h>

namespace orphan::kernel {
namespace {

constexpr std::string_view kHeader =
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n";

Cache cache(std::string name, u64 live, u64 held_free = 0) {
  Cache result;
  result.name = std::move(name);
  result.live = live;
  result.held_free = held_free;
  return result;
}

SelfTest compare(const std::vector<Cache>& caches, std::string_view lines) {
  auto result = compare_with_slabinfo(caches, std::string(kHeader) + std::string(lines));
  VERIFY(bool(result));
  return std::move(*result);
}

TEST(SelfTest, CountsThatAgreeAreNoDifference) {
  SelfTest test = compare({cache("kmalloc-64", 30), cache("dentry", 7)},
                          "kmalloc-64   30   64   64   64    1 : tunables\n"
                          "dentry      7  21 192 21 1\n");
  EXPECT_EQ(test.caches, 2U);
  EXPECT_EQ(test.ours, 37U);
  EXPECT_EQ(test.slabinfo, 37U);
  EXPECT_TRUE(test.different.empty());
}

TEST(SelfTest, WhatACpuHoldsFreeIsActiveToTheKernel) {
  EXPECT_TRUE(compare({cache("dentry", 5, 16)}, "dentry 21 21 192 21 1\n").different.empty());
  EXPECT_EQ(compare({cache("dentry", 5, 15)}, "dentry 21 21 192 21 1\n").different.size(), 1U);
}

TEST(SelfTest, TheLargestDifferenceComesFirst_WhicheverSideHasMore) {
  SelfTest test = compare({cache("a", 10), cache("b", 100), cache("c", 0)}, "a 11 0\nb 50 0\nc 7 0\n");
  ASSERT_EQ(test.different.size(), 3U);
  EXPECT_EQ(test.different[0].cache, "b");
  EXPECT_EQ(test.different[0].ours, 100U);
  EXPECT_EQ(test.different[0].slabinfo, 50U);
  EXPECT_EQ(test.different[1].cache, "c");
  EXPECT_EQ(test.different[2].cache, "a");
}

TEST(SelfTest, CachesOfOneNameAreOneRow) {
  EXPECT_TRUE(compare({cache("same", 3), cache("same", 4)}, "same 5 0\nsame 2 0\n").different.empty());
}

TEST(SelfTest, LinesThatMakeNoSenseAreLeftOut) {
  for (std::string_view line : {"", "dentry", "dentry ", "dentry   ", "dentry x", "dentry -1 5", "dentry 99999999999999999999 1",
                                "other 5 5", " 5 5", "\n\n", "dentryx 5 5"}) {
    SelfTest test = compare({cache("dentry", 5)}, std::string(line) + "\n");
    EXPECT_EQ(test.caches, 0U) << line;
    EXPECT_EQ(test.different.size(), 1U) << line;
  }
  EXPECT_EQ(compare({cache("dentry", 5)}, "dentry 5").caches, 1U) << "the last line needs no end";
}

TEST(SelfTest, AnotherFormatIsAnError) {
  for (std::string_view text : {"", "slabinfo", "slabinfo - version: 3.0\n", "dentry 5 5\n"}) {
    auto result = compare_with_slabinfo({}, text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code(), ErrorCode::BadData);
  }
}

}  // namespace
}  // namespace orphan::kernel
