// SPDX-License-Identifier: Apache-2.0
// Pages in which kfree_rcu() collects what is to be freed. A page that is kept for reuse, and the records beyond the count of one
// in use, go on pointing to memory that was freed.
#pragma once
#include <optional>
#include <vector>

#include "kernel/address_space.h"
#include "kernel/layouts.h"

namespace orphan::kernel {

// The dead parts of these pages, in the linear map. `per_cpu` is the cookie of `krc`.
std::vector<Range> dead_rcu_records(const KernelMemory& memory, const RcuPagesLayout& layout, Addr per_cpu,
                                    std::span<const u64> cpu_offsets);

}  // namespace orphan::kernel
