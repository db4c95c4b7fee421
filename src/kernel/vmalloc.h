// SPDX-License-Identifier: Apache-2.0
// Areas of vmalloc space in use, from the kernel's list(s) of struct vmap_area.
#pragma once
#include "kernel/address_space.h"
#include "kernel/layouts.h"

namespace orphan::kernel {

struct VmallocArea {
  Addr start;
  u64 size_bytes = 0;         // of the memory in it, without a guard page; 0: it has no pages of its own
  u64 reserved_bytes = 0;     // of address space
  Addr area;                  // its struct vmap_area
  Addr vm;                    // its struct vm_struct
  Addr caller;                // who allocated it
  bool is_allocated = false;  // VM_ALLOC: its pages belong to it
};

struct VmallocSymbols {
  std::optional<Addr> area_list;          // up to 6.8
  std::optional<Addr> nodes, node_count;  // from 6.9 on
};

struct Vmalloc {
  std::vector<VmallocArea> areas;  // ascending
  u64 restarts = 0;                // walks that a change broke
  u64 broken_lists = 0;            // lists that never held still: areas may be missing
};

Result<Vmalloc> read_vmalloc(const KernelMemory& memory, const VmallocLayout& layout, const VmallocSymbols& symbols);

}  // namespace orphan::kernel
