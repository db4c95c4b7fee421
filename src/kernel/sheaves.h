// SPDX-License-Identifier: Apache-2.0
// Free objects that SLUB keeps outside of their slabs, where a slab counts them as in use: arrays called sheaves, one to three
// on each CPU, more in a "barn" for each NUMA node (for two caches since v6.18, for all since v7.0); and on a list for each CPU
// the objects whose freeing is put off (v6.18).
//
// The first `size` slots of a sheaf hold free objects. Slots beyond keep pointing to objects that were handed out, leaked ones
// among them: the array is never scanned. A sheaf that the kernel is about to put somewhere is on no list for a moment.
#pragma once
#include "kernel/slub.h"

namespace orphan::kernel {

struct FreeObject {
  Addr object;
  u32 cache = 0;  // index in Slub::caches

  auto operator<=>(const FreeObject&) const = default;
};

struct Sheaves {
  std::vector<Addr> sheaves;        // each struct slab_sheaf
  std::vector<FreeObject> objects;  // in them, ascending; not checked against slabs
  u64 unread = 0;                   // sheaves, or what leads to them, that could not be read
};

// Of the caches in `caches` (indices into slub.caches). Nothing when the kernel has no sheaves.
Sheaves read_sheaves(const KernelMemory& memory, const Layouts& layouts, const Slub& slub, std::span<const u32> caches,
                     std::span<const u64> cpu_offsets);

// Where the free pointers are of objects that are on a CPU's list of put off frees. What could not be read is added to
// `unread`, here and below.
std::vector<Addr> deferred_frees(const KernelMemory& memory, const SlubSymbols& symbols, std::span<const u64> cpu_offsets,
                                 u64& unread);

// The barns of the cache whose struct kmem_cache stands at `cache`.
std::vector<Addr> barns_of(const KernelMemory& memory, const SheafLayout& layout, const SlubSymbols& symbols, Addr cache,
                           u64& unread);

// Whether the contents of a kmalloc object are those of a sheaf; `caches` are the addresses of the caches that have sheaves,
// ascending.
bool is_sheaf(Bytes contents, const SheafLayout& layout, std::span<const Addr> caches, Range linear);

}  // namespace orphan::kernel
