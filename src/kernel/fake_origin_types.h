// SPDX-License-Identifier: Apache-2.0
// Types with which a made-up kernel notes who allocated what, as fake_btf.h has them. For tests only.
#pragma once
#include <string_view>

namespace orphan::kernel {

inline constexpr std::string_view kOriginTypes = R"(
struct track 32
  ptr addr 0
  u32 handle 8
  u32 cpu 12
  u32 pid 16
  u64 when 24
struct clocksource 64
  u32 mult 16
  u32 shift 20
struct kfence_track 128
  u32 pid 0
  u32 cpu 4
  u64 ts_nsec 8
  u32 num_stack_entries 16
  u64[13] stack_entries 24
struct kfence_metadata 256
  list_head list 0
  list_head callback_head 16
  u32 state 36
  u64 addr 40
  u64 size 48
  ptr cache 56
  kfence_track alloc_track 72
enum kfence_object_state
  KFENCE_OBJECT_UNUSED 0
  KFENCE_OBJECT_ALLOCATED 1
)";

// With page_owner. The enumerators are bits.
inline constexpr std::string_view kPageOwnerTypes = R"(
struct static_key 16
  u32 enabled 0
struct mem_section 32
  u64 section_mem_map 0
  ptr usage 8
  ptr page_ext 16
struct page_ext 8
  u64 flags 0
struct page_ext_operations 40
  u64 offset 0
  u64 size 8
struct page_owner 80
  u32 gfp_mask 4
  u32 handle 8
  u32 free_handle 12
  u64 ts_nsec 16
  u64 free_ts_nsec 24
  u8[16] comm 32
  u32 pid 48
  u32 tgid 52
enum page_ext_flags
  PAGE_EXT_OWNER 0
  PAGE_EXT_OWNER_ALLOCATED 1
)";

// Up to 6.2.
inline constexpr std::string_view kOldHandleTypes = R"(
struct handle_parts 4
  u32 handle 0
  u32 slabindex 0:0:16
  u32 offset 0:16:10
  u32 valid 0:26:1
  u32 extra 0:27:5
struct stack_record 24
  ptr next 0
  u32 size 12
  handle_parts handle 16
  u64[0] entries 24
)";

// From 6.9 on.
inline constexpr std::string_view kNewHandleTypes = R"(
struct handle_parts 4
  u32 handle 0
  u32 pool_index_plus_1 0:0:17
  u32 offset 0:17:10
  u32 extra 0:27:5
struct stack_record 544
  list_head hash_list 0
  u32 size 20
  handle_parts handle 24
  u64[64] entries 32
)";

// Up to 5.18: the addresses stand in the track.
inline constexpr std::string_view kOldestTrackTypes = R"(
struct track 152
  ptr addr 0
  u64[16] addrs 8
  u32 cpu 136
  u32 pid 140
  u64 when 144
)";

inline constexpr std::string_view kChargeTypes = R"(
struct cgroup_subsys_state 64
  ptr cgroup 0
struct obj_cgroup 48
  ptr memcg 16
struct mem_cgroup 256
  cgroup_subsys_state css 0
struct cgroup 512
  cgroup_subsys_state self 0
  ptr kn 256
struct kernfs_node 128
  ptr parent 8
  ptr name 16
)";

// From 6.10 on, with memory allocation profiling.
inline constexpr std::string_view kNewChargeTypes = R"(
struct codetag_ref 8
  ptr ct 0
struct slabobj_ext 16
  ptr objcg 0
  codetag_ref ref 8
struct pcpuobj_ext 16
  ptr cgroup 0
  codetag_ref tag 8
struct codetag 32
  u32 flags 0
  u32 lineno 4
  ptr modname 8
  ptr function 16
  ptr filename 24
)";

}  // namespace orphan::kernel
