// SPDX-License-Identifier: Apache-2.0
// Who has the pages that nothing in /proc accounts for? Guesses, from what points at them and from what is in them.
//
// Of very many blocks, some are looked into, evenly spread. All memory that holds the kernel's pointers is searched, once, for
// their addresses and for those of their descriptors: static data, live slab objects, vmalloc and per-CPU memory, and other such
// pages. Static data says most about an owner, another nameless page least: of several referrers the most telling is kept.
#pragma once
#include <functional>

#include "kernel/look.h"
#include "kernel/page_kinds.h"
#include "report/account.h"

namespace orphan::kernel {

struct PageOwnerInput {
  const Kernel& kernel;
  const PageKinds& kinds;
  std::span<const CompoundPage> compounds;  // those of kind Compound; ascending
  const Snapshot& snapshot;                 // its spans are slabs
  const Owners& owners;                     // of its shapes
  std::span<const Addr> static_data;        // pages of the image, at their link addresses
  std::span<const VmallocArea> areas;
  const PerCpu& percpu;
  const Symbols& symbols;
  const std::function<bool()>& keep_going;
};

// Fills `owners` of the account and what is counted beside it. Interrupted when keep_going says no.
Result<void> find_page_owners(const PageOwnerInput& input, Account& account);

}  // namespace orphan::kernel
