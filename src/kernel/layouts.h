// SPDX-License-Identifier: Apache-2.0
// Where the kernel that runs keeps what we read: offsets of members, resolved from its BTF once. A kernel's features are
// told by which members exist, never by its version.
#pragma once
#include "kernel/btf.h"
#include "kernel/origin_layouts.h"

namespace orphan::kernel {

using Offset = u32;
using MaybeOffset = std::optional<u32>;

struct PageLayout {
  u32 size_bytes;
  Offset flags, mapping, private_data, lru, page_type, refcount;
  MaybeOffset index;
  Offset compound_head;  // the word whose bit 0 marks a tail page
  MaybeOffset memcg_data;
  MaybeOffset compound_order;  // a byte in the first tail page (up to 6.5), or the low byte of folio._flags_1 (6.6 on)
  u64 bit_head, bit_lru, bit_reserved;
  std::optional<u64> bit_slab;                                   // a page flag up to 6.9
  std::optional<u64> type_slab, type_buddy, type_large_kmalloc;  // page types from 6.10 on: the top byte of page_type
  bool typed() const { return type_buddy.has_value(); }
  // For a finer account of what pages are used for; nothing else needs these.
  std::optional<u64> bit_swap_backed;
  std::optional<u64> type_offline, type_table, type_guard, type_hugetlb, type_zsmalloc, type_unaccepted;
  MaybeOffset hugetlb_mark;    // in the first tail page, up to 6.8: a number of a destructor, or flags
  u64 hugetlb_destructor = 0;  // the number, where hugetlb_bit is absent
  std::optional<u64> hugetlb_bit;
  MaybeOffset page_pool_magic;
};

// The lists of free pages that a CPU keeps for each zone.
struct ZoneLayout {
  Offset node_zones, per_cpu_lists;
  u32 zones, zone_bytes;
  Offset lists, count;  // in struct per_cpu_pages
  u32 list_count, lists_per_order;
};

struct SlabLayout {
  Offset slab_cache, freelist, counters, next;
  Member inuse, objects, frozen;
  MaybeOffset extensions;  // obj_exts, or memcg_data: the vector of per-object cgroup pointers
};

struct KmemCacheLayout {
  Offset flags, size, object_size, offset, red_left_pad, name, list, refcount;
  MaybeOffset cpu_slab, random;
  std::optional<u64> no_leak_trace;  // SLAB_NOLEAKTRACE, where the flags are an enum (from 6.9 on)
  u32 read_bytes;                    // of the struct's beginning that hold all of the above
};

struct CpuSlabLayout {
  u32 size_bytes;
  Offset freelist, tid, slab, partial;
};

// Where SLUB keeps free objects outside of their slabs (for two caches since v6.18, for all since v7.0); see sheaves.h.
struct SheafLayout {
  Offset cpu_sheaves, capacity;  // kmem_cache
  Offset nodes;                  // kmem_cache: an array with an entry for each NUMA node
  u32 node_stride;
  Offset node_entry;                         // in an entry: a pointer, to the barn, or up to 7.0 to what has one
  MaybeOffset node_barn;                     // kmem_cache_node, up to 7.0
  Offset main, spare, rcu_free;              // slub_percpu_sheaves
  u32 cpu_bytes;                             // of it
  Offset links, cache, size, node, objects;  // slab_sheaf
  Offset full, empty;                        // node_barn
};

struct VmallocLayout {
  Offset va_start, va_end, area_list, area_vm;
  bool has_purge_list;  // up to 5.11: in place of `vm`, while an area waits for being freed
  u32 area_bytes;
  Offset vm_addr, vm_size, vm_flags, vm_pages, vm_nr_pages, vm_caller;
  u32 vm_bytes;
  MaybeOffset node_busy_list;  // vmap_node.busy.head: there are several lists from 6.9 on
  u32 node_bytes = 0;
  u32 stack_header_bytes;  // struct vm_stack, at the start of a stack that waits for RCU
};

struct PerCpuLayout {
  u32 chunk_bytes;
  Offset list, base_addr, alloc_map, bound_map, start_offset, end_offset, nr_pages;
};

struct TaskLayout {
  Offset stack, tasks, mm, pid, comm, files, signal, thread_node, sp;
  Member on_cpu;  // one byte since v7.2, four before
  // Members that own nothing: links of the scheduler's queues, which hold every task otherwise as well and are not cleared
  // when a task leaves them; the task that was woken last, which may be gone. Offset and size, ascending.
  std::vector<std::pair<Offset, u32>> scheduler_links;
  Offset fpu;  // the floating point state, user space's registers, stands from here to the end of the object
  Offset signal_thread_head, mm_start_stack, files_fdt, fdt_max_fds, fdt_fd, file_private_data;
  u32 read_bytes;
  MaybeOffset kthread;   // of a kernel thread: its struct kthread
  MaybeOffset threadfn;  // in it: the function that the thread runs
};

struct ModuleLayout {
  Offset list, name, kallsyms;
  MaybeOffset mem;  // from 6.4 on: an array by kind of memory
  u32 mem_bytes = 0, mem_count = 0;
  Offset mem_base = 0, mem_size = 0;
  std::vector<u32> mem_data_kinds;  // those that hold data
  MaybeOffset core, init;           // up to 6.3: struct module_layout
  Offset layout_base = 0, layout_size = 0, layout_ro_size = 0, layout_text_size = 0;
  u32 read_bytes;
  Offset symtab, num_symtab, strtab;
  u32 kallsyms_bytes;
};

struct SysctlLayout {
  Offset ctl_table, root, table_argument;
  MaybeOffset table_size;
  u32 header_bytes;
};

// The cache of free skb heads that a CPU keeps; its slots beyond `count` are stale.
struct NapiCacheLayout {
  Offset count, slots;
  u32 size_bytes;
};

// How kfree_rcu() keeps its pages; see rcu_pages.h.
struct RcuPagesLayout {
  Offset cache;                   // kfree_rcu_cpu: pages kept for reuse
  Offset used_lists;              // two lists of pages in use
  u32 list_stride;                // from one list's head to the other's
  Offset work_array, work_lists;  // kfree_rcu_cpu_work: the same, waiting for RCU
  u32 works, work_bytes;
  Offset next, count, records;  // kvfree_rcu_bulk_data
};

// struct xa_node: words of it that are counters, bit maps and numbers.
struct XarrayLayout {
  Offset marks;
  u32 marks_bytes, node_bytes;
};

struct RwsemLayout {
  Offset owner, wait_list;
};

struct Layouts {
  PageLayout page;
  SlabLayout slab;
  KmemCacheLayout cache;
  std::optional<CpuSlabLayout> cpu_slab;  // absent where sheaves replaced it
  std::optional<SheafLayout> sheaves;
  VmallocLayout vmalloc;
  PerCpuLayout percpu;
  TaskLayout task;
  ModuleLayout module;
  std::optional<SysctlLayout> sysctl;
  std::optional<NapiCacheLayout> napi_cache;
  std::optional<RcuPagesLayout> rcu_pages;
  std::optional<XarrayLayout> xarray;
  std::optional<RwsemLayout> rwsem;
  std::optional<ZoneLayout> zone;
  OriginLayouts origins;
  MaybeOffset mm_pgd;
  std::optional<u32> switch_frame_bytes;  // what a context switch pushes
  std::optional<u32> irq_stack_bytes, exception_stacks_bytes, entry_stack_bytes;

  // Unsupported, naming the type or member, when the kernel lacks something that cannot be done without.
  static Result<Layouts> resolve(const Btf& btf);
};

}  // namespace orphan::kernel
