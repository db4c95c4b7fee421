// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_tracks.h"

#include <gtest/gtest.h>

#include "report/format.h"

namespace orphan::logs {
namespace {

constexpr std::string_view kTraces =
    "     12 kmalloc_trace+0x26/0x90 waste=120/10 age=125/3500/9000 pid=1-116 cpus=0-1\n"
    "        __kmem_cache_alloc_node+0x1b3/0x300\n"
    "        kmalloc_trace+0x26/0x90\n"
    "        leak_blocks+0x21/0x8b [leaky]\n"
    "\n"
    "      3 kmalloc_trace+0x26/0x90 age=40 pid=7\n"
    "        __kmem_cache_alloc_node+0x1b3/0x300\n"
    "        kmalloc_trace+0x26/0x90\n"
    "        other+0x1/0x2\n"
    "\n"
    "      2 <not-available> age=4294892464 pid=0\n"
    "\n";

TEST(SlubTracks, AllocTracesAreRead) {
  auto tracks = read_slub_tracks(kTraces);
  ASSERT_TRUE(tracks) << tracks.error().text();
  ASSERT_EQ(tracks->size(), 3U);
  const SlubTrack& first = tracks->front();
  EXPECT_EQ(first.count, 12U);
  EXPECT_EQ(first.wasted_bytes, 120U);
  EXPECT_EQ(first.youngest, 125U);
  EXPECT_EQ(first.oldest, 9000U);
  EXPECT_EQ(first.pids, "1-116");
  ASSERT_EQ(first.stack.size(), 2U);
  EXPECT_EQ(to_string(first.stack[1]), "leak_blocks+0x21/0x8b [leaky]");
  EXPECT_TRUE(tracks->at(2).stack.empty());
}

TEST(SlubTracks, AllocCallsWithoutStacksAreReadToo) {
  auto tracks = read_slub_tracks("      7 leak_blocks+0x21/0x8b [leaky] age=125/3500/9000 pid=116 cpus=0\n");
  ASSERT_TRUE(tracks);
  ASSERT_EQ(tracks->size(), 1U);
  ASSERT_EQ(tracks->front().stack.size(), 1U);
  EXPECT_EQ(to_string(tracks->front().stack[0]), "leak_blocks+0x21/0x8b [leaky]");
}

TEST(SlubTracks, GroupsHaveAgesInSeconds_WhereTheClockIsKnown) {
  auto tracks = read_slub_tracks(kTraces).take();
  std::vector<Leak> groups = groups_of_tracks(tracks, "kmalloc-64", 250);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].total.count, 12U);
  ASSERT_TRUE(groups[0].times);
  EXPECT_DOUBLE_EQ(groups[0].times->first_s, 36);
  EXPECT_DOUBLE_EQ(groups[0].times->last_s, 0.5);
  EXPECT_FALSE(groups_of_tracks(tracks, "kmalloc-64", 0)[0].times);
}

TEST(SlubTracks, GrowthIsOfStacksThatHaveMoreThanBefore) {
  std::vector<Leak> before = groups_of_tracks(read_slub_tracks(kTraces).take(), "kmalloc-64", 0), after = before;
  after[0].total.count += 5;
  after[1].total.count -= 1;
  after.push_back({.total = {7, 0}, .stack = {{.address = {}, .symbol = "fresh", .offset = 1, .symbol_size = 2}}});
  auto grown = growth(before, after);
  ASSERT_EQ(grown.size(), 2U);
  EXPECT_EQ(grown[stack_key(after[0].stack)], 5U);
  EXPECT_EQ(grown["fresh+0x1/0x2\n"], 7U);
}

TEST(SlubTracks, NoDataIsEmptyAndJunkIsRefusedWithItsLine) {
  auto nothing = read_slub_tracks("No data\n");
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->empty());
  auto junk = read_slub_tracks(std::string(kTraces) + "junk\n");
  ASSERT_FALSE(junk);
  EXPECT_EQ(junk.error().text(), "line 13: 'junk' is none of alloc_traces");
}

TEST(SlubTracks, CutAtEveryByteItIsReadOrRefused) {
  for (std::size_t size = 0; size <= kTraces.size(); ++size) {
    auto tracks = read_slub_tracks(kTraces.substr(0, size));
    EXPECT_LE(tracks ? tracks->size() : 0, 3U);
  }
}

}  // namespace
}  // namespace orphan::logs
