// SPDX-License-Identifier: Apache-2.0
// Every live object of every SLUB cache: each slot of each slab page, less what the allocator holds as free (the slab's
// freelist, the freelist of the CPU that allocates from it, sheaves).
//
// Slabs move while they are read. A slab's descriptor and its CPU's state are read again after its contents; when they have
// changed it is read anew, a few times. What stays inconsistent is not judged: its objects are roots, never leaks.
#pragma once
#include <unordered_map>

#include "kernel/page_map.h"
#include "kernel/percpu.h"
#include "memory/caching_memory.h"

namespace orphan::kernel {

struct Cache {
  Addr address;  // of its struct kmem_cache
  std::string name;
  u32 size_bytes = 0, object_bytes = 0;  // of a slot, of the object in it
  u32 free_pointer = 0;                  // offset in the object at which a free one holds the next
  u32 left_pad_bytes = 0;
  u32 requested_at = 0;  // where behind an object the size that was asked for is noted (Shape::requested_at)
  u64 random = 0;
  bool is_hardened = false;
  bool is_merged = false;     // other caches' objects are in it too
  bool is_untracked = false;  // SLAB_NOLEAKTRACE
  Addr cpu_slab;              // cookie
  Addr cpu_sheaves;           // cookie
  u32 sheaf_capacity = 0;     // 0: no sheaves
  std::vector<Addr> barns;    // struct node_barn of each NUMA node that has one
  // Filled by add_slabs:
  u64 slabs = 0, objects = 0, live = 0;
  u64 held_free = 0;  // free objects that a CPU holds: the kernel counts them as active
};

struct SlubSymbols {
  Addr slab_caches;
  std::optional<Addr> node_count;  // nr_node_ids
  std::optional<Addr> deferred;    // defer_free_objects, a cookie
};

struct Slub {
  std::vector<Cache> caches;
  std::unordered_map<u64, u32> by_address;
  u64 unstable_slabs = 0, unstable_bytes = 0;
  u64 reread_slabs = 0;
  u64 foreign_slabs = 0, foreign_bytes = 0;  // of caches that are not on the list (being made or destroyed)
  std::vector<Root> foreign;                 // their memory: roots
  SlubSymbols symbols;
  std::vector<Addr> sheaves;  // allocator metadata, see sheaves.h
  u64 unread_sheaves = 0;
};

// Reads the list of caches.
Result<Slub> read_caches(const KernelMemory& memory, const Layouts& layouts, const SlubSymbols& symbols);

// What a cache's number in the snapshot (Shape::owner) is: the target's business.
class OwnerOf {
 public:
  virtual ~OwnerOf() = default;
  virtual u32 owner_of(const Cache& cache) = 0;
};

// What slabs are read from.
struct SlabInput {
  const KernelMemory& memory;
  CachingMemory& kept;  // is handed the contents that had to be read
  const Layouts& layouts;
  const PageMap& map;
  const PerCpu& percpu;
};
// Adds a span for every slab of the map to `snapshot`, its live objects marked as such.
void add_slabs(const SlabInput& input, Slub& slub, OwnerOf& owners, Snapshot& snapshot);

}  // namespace orphan::kernel
