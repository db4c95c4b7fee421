// SPDX-License-Identifier: Apache-2.0
// Who points at a block? The same words that marking looks at, asked the other way round.
#pragma once
#include <functional>

#include "memory/memory.h"
#include "scan/block_index.h"

namespace orphan {

// A word that refers to a block.
struct Reference {
  Addr at;  // where it stands; 0: not known (a root word without a place)
  u64 word = 0;
  BlockRef to;                // what it refers to, or what that is passed on to
  bool is_forwarded = false;  // it refers to the allocator's handle of `to`
};

struct ReferenceSearch {
  const BitVector* targets = nullptr;  // bits of slots: references to these are reported
  const BitVector* sources = nullptr;  // bits of live slots: these blocks are searched
  bool search_roots = true;            // and the roots
  std::function<bool()> keep_going;    // asked now and then; absent: never stops
};

// Calls `found` for each reference, those in the roots first, in the order of the snapshot. A block's references to itself are
// left out. Interrupted when keep_going says no.
Result<void> find_references(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                             const ReferenceSearch& search, const std::function<void(const Reference&)>& found);

}  // namespace orphan
