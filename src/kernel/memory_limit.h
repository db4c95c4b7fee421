// SPDX-License-Identifier: Apache-2.0
// What a scan may do with a bounded memory. What it cannot do without grows with the kernel that is scanned: bits for each slot,
// records for each slab. What it can do with less of, at the price of time, is the cache of contents and the checksums of
// candidates.
#pragma once
#include <string_view>

#include "base/result.h"

namespace orphan::kernel {

// Of the kernel that is going to be scanned.
struct MemoryNeeds {
  u64 resident_bytes = 0;  // of this process before the first pass
  u64 ram_pages = 0;
  u64 slabs = 0;
  u64 slots = 0;
};

struct MemoryPlan {
  u64 cache_bytes = 0;
  u64 most_checksums = 0;
};

// Adds up all caches of a text of /proc/slabinfo; what cannot be read counts nothing.
void count_slabs(std::string_view slabinfo, MemoryNeeds& needs);

// How to do with `limit_bytes`; `cache_bytes` is what the cache would have without. Usage: it is not enough, and what would be.
Result<MemoryPlan> plan_memory(u64 limit_bytes, const MemoryNeeds& needs, u64 cache_bytes);

}  // namespace orphan::kernel
