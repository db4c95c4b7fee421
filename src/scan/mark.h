// SPDX-License-Identifier: Apache-2.0
// Colour the blocks: which of them can be reached from the roots?
//
// Every aligned word of the roots, and of each block that is reached, is taken for a reference. A block is read only after it
// was reached, so a leaked one never is. Work that is left to do is a bit a slot (pending) and a bit a span; spans are taken
// in ascending order, so that all that is pending in a slab is read in one piece.
#pragma once
#include <array>
#include <functional>

#include "memory/memory.h"
#include "scan/block_index.h"

namespace orphan {

struct MarkResult {
  explicit MarkResult(std::pmr::memory_resource* resource) : reached(resource) {}

  BitVector reached;     // a bit a slot; only live slots are ever set
  u64 words = 0;         // that were looked at
  u64 unread_bytes = 0;  // of roots and reached blocks whose memory was gone: their references are unknown
  std::array<u64, kRootKinds> root_bytes{};
  std::array<u64, kRootKinds> root_count{};
  bool stopped = false;  // `keep_going` said no; the result is useless
};

struct MarkOptions {
  std::pmr::memory_resource* resource = std::pmr::get_default_resource();
  std::function<bool()> keep_going;  // asked now and then; absent: never stops
  // When given: by slot, where the word stands by which the block was reached first; 0 for what is reached from the start.
  // Costs eight bytes a slot; for mark() only.
  std::pmr::vector<Addr>* reached_from = nullptr;
};

// Colours `snapshot`. Reads the contents through `memory`; NotMapped is counted in unread_bytes, any other error is returned.
Result<MarkResult> mark(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory, const MarkOptions& options);

// Goes on from `seeds` (bits of live slots): they and all that can be reached from them are added to `result.reached`.
// Not to be interrupted.
Result<void> mark_from(const BitVector& seeds, const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                       MarkResult& result);

}  // namespace orphan
