// SPDX-License-Identifier: Apache-2.0
#include "logs/page_owner_reader.h"

#include <gtest/gtest.h>

#include "logs/test_reading.h"
#include "report/format.h"

namespace orphan::logs {
namespace {

using test::read_text;

TEST(PageOwnerReader, EachRecordIsABlockOfPages) {
  auto reading = read_text(test::kPageOwner);
  ASSERT_EQ(reading.found.size(), 2u);
  EXPECT_TRUE(reading.complaints.empty());
  const Finding& first = reading.found[0];
  EXPECT_FALSE(first.is_leak);
  EXPECT_EQ(first.memory, Memory::Pages);
  EXPECT_EQ(first.leak.total, (Tally{1, 16'384}));
  ASSERT_EQ(first.leak.comms.size(), 1u);
  EXPECT_EQ(first.leak.comms[0].text, "insmod (x)");
  ASSERT_EQ(first.leak.stack.size(), 3u);
  EXPECT_EQ(to_string(first.leak.stack[2]), "hoard_pages+0x2a/0x90 [hoarder]");
  EXPECT_EQ(reading.found[1].leak.total, (Tally{1, 4096}));
  EXPECT_TRUE(reading.found[1].leak.comms.empty());
}

TEST(PageOwnerReader, WhatPageOwnerSortHasCountedIsCounted) {
  auto reading = read_text("12 times, 48 pages:\n" + std::string(test::kPageOwner));
  ASSERT_EQ(reading.found.size(), 2u);
  EXPECT_EQ(reading.found[0].leak.total, (Tally{12, 12 * 16'384}));
  EXPECT_EQ(reading.found[1].leak.total, (Tally{1, 4096}));
  EXPECT_EQ(read_text("0 times, 0 pages:\n" + std::string(test::kPageOwner)).found[0].leak.total.count, 1u);
}

TEST(PageOwnerReader, StacksWithACountAreRead) {
  for (std::string_view count : {" stack_count: 12\n", " nr_base_pages: 12\n", "nr_base_pages: 12\n"}) {
    auto reading = read_text(" post_alloc_hook+0x1/0x2\n hoard_pages+0x2a/0x90 [hoarder]\n" + std::string(count) + "\n" +
                             " lone+0x1/0x2\n stack_count: 3\n\n");
    ASSERT_EQ(reading.found.size(), 2u) << count;
    EXPECT_EQ(reading.found[0].leak.total, (Tally{12, 12 * 4096}));
    EXPECT_EQ(reading.found[0].leak.stack.size(), 2u);
    EXPECT_EQ(reading.found[1].leak.stack.size(), 1u);
  }
}

TEST(PageOwnerReader, FramesOfAnOopsAreNoPages) {
  auto reading =
      read_text("[ 1.5] Call Trace:\n[ 1.5]  f+0x1/0x2\n[ 1.5]  g+0x1/0x2\n[ 1.5] Code: 00 01\n[ 1.5] stack_count: 5\n");
  EXPECT_TRUE(reading.found.empty());
}

TEST(PageOwnerReader, AnOrderThatCannotBeIsTold) {
  auto reading = read_text("Page allocated via order 63, mask 0x0\n f+0x1/0x2\n\nPage allocated via order x\n\n" +
                           std::string(test::kPageOwner));
  EXPECT_EQ(reading.found.size(), 2u);
  EXPECT_EQ(reading.complaints.size(), 2u);
  EXPECT_EQ(reading.complaints.at(0), "1: a page without an order: not counted");
}

TEST(PageOwnerReader, ADumpMayBeCutAtEveryByte) {
  for (std::size_t at = 0; at <= test::kPageOwner.size(); ++at) {
    EXPECT_LE(read_text(test::kPageOwner.substr(0, at)).found.size(), 2u);
    EXPECT_LE(read_text(test::kPageOwner.substr(at)).found.size(), 2u);
  }
}

}  // namespace
}  // namespace orphan::logs
