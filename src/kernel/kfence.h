// SPDX-License-Identifier: Apache-2.0
// KFENCE's objects. A sample of all allocations gets a page of its own, at its start or its end, between two pages that are not
// mapped. The page is marked as a slab of the object's cache and tells neither where the object is nor whether it is in use:
// KFENCE keeps that in an array with an entry for each page.
#pragma once
#include "kernel/address_space.h"
#include "kernel/origin_layouts.h"

namespace orphan::kernel {

struct KfenceSymbols {
  std::optional<Addr> pool;      // __kfence_pool, a pointer
  std::optional<Addr> metadata;  // kfence_metadata: the array, or since v6.6 (cabdf74e6b31) a pointer to it
};

struct KfenceObject {
  Addr address;
  u64 size_bytes = 0;  // as asked for
  Addr cache;          // struct kmem_cache
};

struct Kfence {
  Range pool;  // empty: KFENCE is off
  Addr entries;
  u64 count = 0;
  std::vector<KfenceObject> objects;  // in use, ascending
  bool is_whole = true;               // false: a part could not be read

  const KfenceObject* find(Addr address) const;  // that begins there
};

// What is in use now. Off, when KFENCE is, or is not as this version knows it.
Kfence read_kfence(const KernelMemory& memory, const std::optional<KfenceLayout>& layout, const KfenceSymbols& symbols);

// The entry that the pool's page which holds the address has; nothing for pages without one.
std::optional<Addr> kfence_entry(const Kfence& kfence, const KfenceLayout& layout, Addr at);

}  // namespace orphan::kernel
