// SPDX-License-Identifier: Apache-2.0
#include "scan/leak_graph.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "scan/fake_heap.h"

namespace orphan {
namespace {

using Numbers = std::vector<u32>;
using Counts = std::vector<u64>;

// Blocks of 10, 11, 12... bytes.
LeakGraph build(std::size_t blocks, std::vector<GraphEdge> edges) {
  Counts sizes;
  for (std::size_t i = 0; i < blocks; ++i) sizes.push_back(10 + i);
  return build_leak_graph(sizes, std::move(edges));
}

TEST(LeakGraph, BlocksThatReferToNothingAreTheirOwnHeads) {
  LeakGraph graph = build(2, {});
  EXPECT_EQ(graph.head, (Numbers{0, 1}));
  EXPECT_EQ(graph.retained_count, (Counts{1, 1}));
  EXPECT_EQ(graph.retained_bytes, (Counts{10, 11}));
  EXPECT_TRUE(build(0, {}).head.empty());
}

TEST(LeakGraph, OfAListTheFirstIsTheHeadAndEachRetainsTheRest) {
  LeakGraph graph = build(4, {{2, 0}, {0, 3}, {3, 1}});
  EXPECT_EQ(graph.head, (Numbers{2, 2, 2, 2}));
  EXPECT_EQ(graph.retained_count, (Counts{3, 1, 4, 2}));
  EXPECT_EQ(graph.retained_bytes[2], 10U + 11 + 12 + 13);
}

TEST(LeakGraph, ACycleHasOneHead_ItsLargestBlock_AndReferencesToOneselfAreNone) {
  LeakGraph graph = build(4, {{0, 1}, {1, 2}, {2, 0}, {1, 3}, {3, 3}});
  EXPECT_EQ(graph.head, (Numbers{2, 2, 2, 2}));
  EXPECT_EQ(graph.retained_count, (Counts{4, 4, 4, 1}));
}

TEST(LeakGraph, WhatTwoWaysLeadToIsRetainedByWhereTheyPart) {
  //  0 -> 1 -> 3, 0 -> 2 -> 3
  LeakGraph graph = build(4, {{0, 1}, {0, 2}, {1, 3}, {2, 3}});
  EXPECT_EQ(graph.retained_count, (Counts{4, 1, 1, 1}));
}

TEST(LeakGraph, WhatTwoHeadsReferToIsRetainedByNeither) {
  LeakGraph graph = build(4, {{0, 2}, {1, 2}, {2, 3}});
  EXPECT_EQ(graph.retained_count, (Counts{1, 1, 2, 1}));
  EXPECT_TRUE(graph.head[2] == 0 || graph.head[2] == 1);
  EXPECT_EQ(graph.head[3], graph.head[2]);
  EXPECT_EQ(graph.head[0], 0U);
  EXPECT_EQ(graph.head[1], 1U);
}

TEST(LeakGraph, ALongListNeedsNoStack) {
  constexpr u32 kBlocks = 300'000;
  std::vector<GraphEdge> edges;
  for (u32 i = 1; i < kBlocks; ++i) edges.push_back({i, i - 1});
  LeakGraph graph = build(kBlocks, std::move(edges));
  EXPECT_EQ(graph.head[0], kBlocks - 1);
  EXPECT_EQ(graph.retained_count[kBlocks - 1], kBlocks);
}

// Against the definition: b is dominated by d when taking d away cuts b off from all heads.
TEST(LeakGraph, AgreesWithTheDefinitionOnRandomGraphs) {
  for (u32 seed = 0; seed < 300; ++seed) {
    std::mt19937 engine(seed);
    auto random = [&] { return static_cast<u32>(engine()); };
    u32 blocks = 1 + random() % 12;
    std::vector<GraphEdge> edges;
    for (u32 i = random() % 24; i > 0; --i) edges.push_back({random() % blocks, random() % blocks});
    LeakGraph graph = build(blocks, edges);
    auto reached = [&](const std::set<u32>& from, u32 without) {
      std::set<u32> seen;
      std::vector<u32> left;
      for (u32 block : from) {
        if (block != without && seen.insert(block).second) left.push_back(block);
      }
      while (!left.empty()) {
        u32 at = left.back();
        left.pop_back();
        for (GraphEdge edge : edges) {
          if (edge.from == at && edge.to != without && seen.insert(edge.to).second) left.push_back(edge.to);
        }
      }
      return seen;
    };
    std::set<u32> heads;
    for (u32 block = 0; block < blocks; ++block) {
      if (graph.head[block] == block) heads.insert(block);
    }
    EXPECT_EQ(reached(heads, ~0U).size(), blocks) << seed << ": everything hangs below a head";
    for (u32 head : heads) {
      std::set<u32> others = heads;
      others.erase(head);
      EXPECT_FALSE(reached(others, ~0U).contains(head)) << seed << ": no head hangs below another";
      EXPECT_EQ(graph.retained_count[head], blocks - reached(others, ~0U).size()) << seed;
    }
    for (u32 block = 0; block < blocks; ++block) {
      EXPECT_TRUE(reached({graph.head[block]}, ~0U).contains(block)) << seed;
      bool is_in_cycle = false;
      for (GraphEdge edge : edges)
        is_in_cycle |= edge.from == block && edge.to != block && reached({edge.to}, ~0U).contains(block);
      if (is_in_cycle) continue;
      EXPECT_EQ(graph.retained_count[block], blocks - reached(heads, block).size()) << seed;
    }
  }
}

TEST(LeakGraph, IsReadFromTheContentsOfTheBlocksAlone) {
  constexpr Addr kLinear = FakeHeap::kLinear.start, kVmalloc = FakeHeap::kVmalloc.start;
  FakeHeap heap;
  u64 first = heap.add_slab(kLinear, 4, 64, 64);
  u64 area = heap.add_block(kVmalloc, 4096);
  heap.point(kVmalloc + 4088, kLinear + 64 + 8);  // the area -> 1 -> 2
  heap.point(kLinear + 64, kLinear + 128);
  heap.point(kLinear, kLinear + 64);  // from 0, which is none of them
  heap.point(kLinear + 72, kLinear);  // and to it
  heap.add_root_to(kLinear + 64);     // roots are not asked
  const u64 slots[] = {first + 1, first + 2, area};
  auto graph = find_leak_graph(heap.snapshot, heap.index(), heap.memory, slots, {});
  ASSERT_TRUE(graph);
  EXPECT_EQ(graph->head, (Numbers{2, 2, 2}));
  EXPECT_EQ(graph->retained_count, (Counts{2, 1, 3}));
  EXPECT_EQ(graph->retained_bytes, (Counts{128, 64, 128 + 4096}));
}

}  // namespace
}  // namespace orphan
