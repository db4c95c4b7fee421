// SPDX-License-Identifier: Apache-2.0
// What hangs below what, among blocks that nothing else refers to. A lost list of ten is ten leaked blocks and one bug: its head
// is what to look at, and what it retains is what the bug costs.
//
// How: strongly connected components (Tarjan, SIAM J. Comput. 1, 1972) make a graph without cycles; those that no other refers
// to have the heads. What a block retains is what it dominates: all ways to it from any head lead through the block. On a graph
// without cycles dominators come out of one walk in topological order (Cooper, Harvey, Kennedy: A Simple, Fast Dominance
// Algorithm, 2001).
#pragma once
#include <span>
#include <vector>

#include "scan/references.h"

namespace orphan {

// Block `from` refers to block `to`; blocks are numbered from 0.
struct GraphEdge {
  u32 from, to;
};

struct LeakGraph {
  // By block.
  std::vector<u32> head;            // the number of its head; its own: it is one. A cycle has one, the largest block of it
  std::vector<u64> retained_count;  // blocks that only hang below this one, itself included; those of a cycle: of the cycle
  std::vector<u64> retained_bytes;
};

// `sizes_bytes` has one entry a block. Edges may repeat, and lead from a block to itself. What several heads refer to is retained
// by none of them, and has one of them as its head.
LeakGraph build_leak_graph(std::span<const u64> sizes_bytes, std::vector<GraphEdge> edges);

// The graph of the blocks with these slots, ascending: who refers to whom is read from their contents, as they are now. Errors as
// find_references().
Result<LeakGraph> find_leak_graph(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                                  std::span<const u64> slots, const std::function<bool()>& keep_going);

}  // namespace orphan
