// SPDX-License-Identifier: Apache-2.0
// Layouts of what a kernel notes about who allocated a block, where it was told to: SLUB's user tracking, the stack depot,
// KFENCE, page_owner. Each is optional, and off where a part of it is missing.
#pragma once
#include "kernel/btf.h"

namespace orphan::kernel {

// SLUB's user tracking (slub_debug=U): a struct track behind each object.
struct TrackLayout {
  u32 size_bytes;
  u32 pid, cpu, when;
  std::optional<u32> handle;  // of the stack depot's record, since v5.19 (5cf909c553e9)
  u32 frames = 0;             // before: the return addresses themselves stand in the track
  u32 frame_count = 0;
  u32 cache_inuse;  // kmem_cache.inuse
  u64 store_user;   // the flag of caches that are tracked
  u64 kmalloc;      // and of those that note the size that was asked for behind both tracks; 5.10 has neither

  // Where the first track is, from the object's start: behind the object, and behind the free pointer where that stands outside
  // of it (get_info_end() in mm/slub.c).
  static u32 place(u32 inuse, u32 free_pointer) { return free_pointer >= inuse ? inuse + 8 : inuse; }
};

// The stack depot: each stack is kept once and known by a 32-bit handle, which says where its record is.
struct DepotLayout {
  Member pool, offset;        // parts of the handle
  bool pool_is_plus_one;      // since v6.8 (3ee34eabac2a), where handles have no bit that says that they are valid
  u32 ignored_bits;           // of a handle: they say nothing about the place
  u32 handle, size, entries;  // in struct stack_record
};

// KFENCE: few objects, each in a page of its own between two that are not mapped. What slabs say of its pages is not true.
struct KfenceLayout {
  u32 entry_bytes;  // of struct kfence_metadata
  u32 state, address, size, cache, alloc_track;
  std::optional<u32> rcu_head;
  u64 allocated;  // the state
  u32 pid, cpu, time_ns, frame_count, frames;
};

// page_owner (page_owner=on): a struct page_owner for each page, in a record beside its descriptor.
struct PageOwnerLayout {
  u32 section_bytes, section_records;  // struct mem_section, and where it has the records' address
  u32 flags;                           // of a record
  u64 allocated;                       // the flag of pages in use
  u32 offset;                          // page_ext_operations.offset: of what a user has in a record
  u32 enabled;                         // of a static key
  u32 handle, pid, time_ns;            // in struct page_owner
  std::optional<u32> comm;             // since v5.18 (bf215eab3e35)
  u32 size_bytes;
};

// What one tick of the kernel's clock is, by the clock source that counts ticks.
struct TickLayout {
  u32 mult, shift;
};

struct OriginLayouts {
  std::optional<TrackLayout> track;
  std::optional<DepotLayout> depot;
  std::optional<KfenceLayout> kfence;
  std::optional<PageOwnerLayout> page_owner;
  std::optional<TickLayout> tick;
  std::optional<u32> task_start_ns;  // task_struct.start_time: nanoseconds since boot

  static OriginLayouts resolve(const Btf& btf);
};

}  // namespace orphan::kernel
