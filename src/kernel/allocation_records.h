// SPDX-License-Identifier: Apache-2.0
// Who allocated blocks, noted while it happened: by a tracker that the kernel knows nothing of.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "kernel/owners.h"

namespace orphan::kernel {

struct AllocationRecord {
  u64 jiffies = 0;  // when, by the kernel's clock
  u32 pid = 0;      // of the thread
  std::string comm;
  bool is_stack_inferred = false;  // no stack was taken of it, but of others that were allocated likewise
  std::vector<Addr> stack;         // return addresses, innermost first: that into the allocation's caller comes first
};

class AllocationRecords {
 public:
  virtual ~AllocationRecords() = default;
  // Of the block of this owner, by its first byte (or cookie). Nothing: none is known, or the one at this address is of another
  // allocation than this block's.
  virtual std::optional<AllocationRecord> of(const Owner& owner, Addr block, u64 size_bytes) const = 0;
};

}  // namespace orphan::kernel
