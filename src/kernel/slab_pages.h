// SPDX-License-Identifier: Apache-2.0
// From an address to the slab that it lies in, by the descriptors of pages alone: for looks at single objects.
#pragma once
#include "kernel/page_map.h"

namespace orphan::kernel {

// The frame of the first page of the block that the page belongs to: a tail page's descriptor leads to the head's.
std::optional<u64> head_frame(const KernelMemory& memory, const PageLayout& page, u64 frame);

// The slab whose first page this is, as it is now; nothing when it is none.
std::optional<SlabPage> read_slab(const KernelMemory& memory, const PageLayout& page, const SlabLayout& slab, u64 frame);

}  // namespace orphan::kernel
