// SPDX-License-Identifier: Apache-2.0
// The kernel's own pages as blocks: what came from alloc_pages(), in blocks as they were allocated, less what has an owner that
// needs no pointer. Page tables are known by physical address only; what is mapped belongs to who mapped it.
#pragma once
#include <span>
#include <vector>

#include "kernel/globals.h"
#include "kernel/page_map.h"

namespace orphan::kernel {

// Who may have a page without a pointer to it.
struct PageHolders {
  const KernelMemory& memory;
  const Layouts& layouts;
  const Globals& globals;
  std::span<const Task> tasks;
};

// Takes the pages that nobody of these has out of `plain` and returns them in blocks, ascending. `tails`: pages that are not the
// first of their block; a block one of whose pages is held stays in `plain`.
std::vector<CompoundPage> take_page_blocks(const PageHolders& holders, FrameBits& plain, const FrameBits& tails);

}  // namespace orphan::kernel
