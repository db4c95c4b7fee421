// SPDX-License-Identifier: Apache-2.0
// Free pages that a CPU keeps on lists of its own, for each zone: the kernel counts them as not free (MemFree has them not).
#pragma once
#include "kernel/page_map.h"

namespace orphan::kernel {

struct ZoneSymbols {
  std::optional<Addr> nodes, node_count;  // a table of nodes
  std::optional<Addr> only_node;          // without NUMA
};

// The blocks on the lists now: they move while they are walked, a list ends where it leads astray.
std::vector<CompoundPage> cpu_free_pages(const KernelMemory& memory, const PageLayout& page, const ZoneLayout& zone,
                                         const ZoneSymbols& symbols, std::span<const u64> cpu_offsets);

}  // namespace orphan::kernel
