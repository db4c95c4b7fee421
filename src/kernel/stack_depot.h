// SPDX-License-Identifier: Apache-2.0
// The kernel's stack depot: a 32-bit handle leads to the return addresses of a stack.
//
// Records lie in pools, at multiples of 16 bytes. A record carries its own handle, so whether it was looked for in the right
// place needs no guess.
#pragma once
#include <vector>

#include "kernel/address_space.h"
#include "kernel/origin_layouts.h"

namespace orphan::kernel {

class StackDepot {
 public:
  // `pools`: stack_pools, or stack_slabs up to v6.2: an array of pointers, or since v6.18 a pointer to one.
  StackDepot(const KernelMemory& memory, const DepotLayout& layout, Addr pools)
      : memory_(memory), layout_(layout), pools_(pools) {}

  // Return addresses, innermost first; empty: no stack has this handle.
  std::vector<Addr> fetch(u32 handle) const;

 private:
  std::optional<Addr> record_in(Addr table, u32 handle) const;

  const KernelMemory& memory_;
  const DepotLayout& layout_;
  Addr pools_;
};

}  // namespace orphan::kernel
