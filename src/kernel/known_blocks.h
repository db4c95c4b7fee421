// SPDX-License-Identifier: Apache-2.0
// Blocks that an earlier scan has reported: are they still there? Those that the user wants to hear no more of are roots while
// they are what they were: what they refer to is as little worth a report.
//
// A block is told from another one that was allocated in its place later: by when it was allocated, where that was noted, and
// else by its contents. Those of a leak do not change.
#pragma once
#include <optional>
#include <span>

#include "kernel/allocation_records.h"
#include "kernel/look.h"

namespace orphan::kernel {

struct KnownBlock {
  Addr start;  // a per-CPU block: its cookie
  u64 size_bytes = 0;
  u32 checksum = 0;
  std::optional<u64> jiffies = {};  // of its allocation
  bool is_root = false;
  bool is_gone = false;  // set here, for good: it was freed, or the block in its place is another
};

// Looks for them, and makes roots of those that are to be. `records` may be null. One in a slab that could not be read reliably
// is a root already, and is not judged.
Result<void> find_known(std::span<KnownBlock> known, Look& look, const Kernel& kernel, const Owners& owners,
                        const AllocationRecords* records);

}  // namespace orphan::kernel
