// SPDX-License-Identifier: Apache-2.0
// Layouts of what a kernel notes about who allocated a block, where it was told to: SLUB's user tracking, the stack depot,
// KFENCE. Each is optional, and off where a part of it is missing.
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
  u64 allocated;  // the state
  u32 pid, cpu, time_ns, frame_count, frames;
};

// What one tick of the kernel's clock is, by the clock source that counts ticks.
struct TickLayout {
  u32 mult, shift;
};

struct OriginLayouts {
  std::optional<TrackLayout> track;
  std::optional<DepotLayout> depot;
  std::optional<KfenceLayout> kfence;
  std::optional<TickLayout> tick;
  std::optional<u32> task_start_ns;  // task_struct.start_time: nanoseconds since boot

  static OriginLayouts resolve(const Btf& btf);
};

}  // namespace orphan::kernel
