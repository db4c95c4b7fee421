// SPDX-License-Identifier: Apache-2.0
#include "kernel/origin_layouts.h"

#include <algorithm>
#include <initializer_list>

namespace orphan::kernel {
namespace {

constexpr u64 kStoreUser = 0x1'0000;  // SLAB_STORE_USER where BTF does not tell: up to v6.8
constexpr u64 kKmalloc = 0x1000;      // SLAB_KMALLOC, the same
constexpr u32 kMostStructBytes = 4096;
constexpr u32 kWord = 8;
constexpr u32 kTaskNameBytes = 16;  // TASK_COMM_LEN

// The first thing that is missing switches a feature off.
class Finder {
 public:
  explicit Finder(const Btf& btf) : btf_(btf) {}

  Member member(std::string_view type, std::initializer_list<std::string_view> any_of) {
    for (std::string_view name : any_of) {
      if (auto found = btf_.member(type, name)) return *found;
    }
    is_whole_ = false;
    return {};
  }
  // A member of at least so many bytes that lies within its struct.
  u32 at(std::string_view type, std::string_view name, u32 bytes) {
    Member found = member(type, {name});
    if (found.offset_bytes + u64{bytes} > btf_.size_of(type).value_or(0)) is_whole_ = false;
    return found.offset_bytes;
  }
  u32 size(std::string_view type) {
    u32 size = btf_.size_of(type).value_or(0);
    if (size == 0 || size > kMostStructBytes) is_whole_ = false;
    return size;
  }
  bool is_whole() const { return is_whole_; }

 private:
  const Btf& btf_;
  bool is_whole_ = true;
};

std::optional<TrackLayout> track_layout(const Btf& btf) {
  Finder find(btf);
  TrackLayout t{};
  t.size_bytes = find.size("track");
  t.pid = find.at("track", "pid", 4);
  t.cpu = find.at("track", "cpu", 4);
  t.when = find.at("track", "when", kWord);
  t.cache_inuse = find.at("kmem_cache", "inuse", 4);
  t.store_user = kStoreUser;
  t.kmalloc = kKmalloc;
  // The flags are an enum since v6.9 (cc61eb851c72).
  if (btf.has("_slab_flag_bits")) {
    auto store_user = btf.enumerator("_slab_flag_bits", "_SLAB_STORE_USER");
    auto kmalloc = btf.enumerator("_slab_flag_bits", "_SLAB_KMALLOC");
    if (!store_user || *store_user >= 32 || !kmalloc || *kmalloc >= 32) return std::nullopt;
    t.store_user = u64{1} << *store_user;
    t.kmalloc = u64{1} << *kmalloc;
  }
  if (btf.member("track", "handle")) {
    t.handle = find.at("track", "handle", 4);
  } else {
    Member frames = find.member("track", {"addrs", "addr"});
    t.frames = frames.offset_bytes;
    t.frame_count = frames.size_bytes / kWord;
    if (frames.offset_bytes + u64{frames.size_bytes} > t.size_bytes) return std::nullopt;
  }
  return find.is_whole() ? std::optional(t) : std::nullopt;
}

u32 mask_of(Member bits) {
  u32 shift = bits.offset_bytes * 8 + bits.bit_offset;
  if (shift >= 32 || bits.bit_size == 0 || bits.bit_size > 32 - shift) return 0;
  return static_cast<u32>(((u64{1} << bits.bit_size) - 1) << shift);
}

std::optional<DepotLayout> depot_layout(const Btf& btf) {
  Finder find(btf);
  DepotLayout d{};
  d.pool_is_plus_one = !btf.member("handle_parts", "valid").has_value();
  d.pool = find.member("handle_parts", {"pool_index_plus_1", "pool_index", "slabindex"});
  d.offset = find.member("handle_parts", {"offset"});
  if (mask_of(d.pool) == 0 || mask_of(d.offset) == 0) return std::nullopt;
  d.ignored_bits = ~(mask_of(d.pool) | mask_of(d.offset));
  d.handle = find.at("stack_record", "handle", 4);
  d.size = find.at("stack_record", "size", 4);
  d.entries = find.member("stack_record", {"entries"}).offset_bytes;
  return find.is_whole() && d.entries < kMostStructBytes ? std::optional(d) : std::nullopt;
}

std::optional<KfenceLayout> kfence_layout(const Btf& btf) {
  Finder find(btf);
  KfenceLayout k{};
  k.entry_bytes = find.size("kfence_metadata");
  k.state = find.at("kfence_metadata", "state", 4);
  k.address = find.at("kfence_metadata", "addr", kWord);
  k.size = find.at("kfence_metadata", "size", kWord);
  k.cache = find.at("kfence_metadata", "cache", kWord);
  k.alloc_track = find.at("kfence_metadata", "alloc_track", find.size("kfence_track"));
  // The kernel's sources call it rcu_head, which is a macro.
  if (btf.member("kfence_metadata", "callback_head")) k.rcu_head = find.at("kfence_metadata", "callback_head", kWord);
  k.pid = find.at("kfence_track", "pid", 4);
  k.cpu = find.at("kfence_track", "cpu", 4);
  k.time_ns = find.at("kfence_track", "ts_nsec", kWord);
  k.frame_count = find.at("kfence_track", "num_stack_entries", 4);
  k.frames = find.at("kfence_track", "stack_entries", kWord);
  auto allocated = btf.enumerator("kfence_object_state", "KFENCE_OBJECT_ALLOCATED");
  if (!allocated || !find.is_whole()) return std::nullopt;
  k.allocated = *allocated;
  return k;
}

std::optional<PageOwnerLayout> page_owner_layout(const Btf& btf) {
  Finder find(btf);
  PageOwnerLayout p{};
  p.section_bytes = find.size("mem_section");
  p.section_records = find.at("mem_section", "page_ext", kWord);
  p.flags = find.at("page_ext", "flags", kWord);
  p.offset = find.at("page_ext_operations", "offset", kWord);
  p.enabled = find.at("static_key", "enabled", 4);
  p.size_bytes = find.size("page_owner");
  p.handle = find.at("page_owner", "handle", 4);
  p.pid = find.at("page_owner", "pid", 4);
  p.time_ns = find.at("page_owner", "ts_nsec", kWord);
  if (btf.member("page_owner", "comm")) p.comm = find.at("page_owner", "comm", kTaskNameBytes);
  auto bit = btf.enumerator("page_ext_flags", "PAGE_EXT_OWNER_ALLOCATED");
  if (!bit || *bit >= 64 || !find.is_whole()) return std::nullopt;
  p.allocated = u64{1} << *bit;
  return p;
}

std::optional<TickLayout> tick_layout(const Btf& btf) {
  Finder find(btf);
  TickLayout t{.mult = find.at("clocksource", "mult", 4), .shift = find.at("clocksource", "shift", 4)};
  return find.is_whole() ? std::optional(t) : std::nullopt;
}

}  // namespace

OriginLayouts OriginLayouts::resolve(const Btf& btf) {
  OriginLayouts layouts;
  layouts.track = track_layout(btf);
  layouts.depot = depot_layout(btf);
  layouts.kfence = kfence_layout(btf);
  layouts.page_owner = page_owner_layout(btf);
  layouts.tick = tick_layout(btf);
  if (auto start = btf.member("task_struct", "start_time")) layouts.task_start_ns = start->offset_bytes;
  return layouts;
}

}  // namespace orphan::kernel
