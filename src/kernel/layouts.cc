// SPDX-License-Identifier: Apache-2.0
#include "kernel/layouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "kernel/layout_bounds.h"

namespace orphan::kernel {
namespace {

// Collects the first thing that is missing, so that the tables below read as tables.
class Resolver {
 public:
  explicit Resolver(const Btf& btf) : btf_(btf) {}

  u32 size(std::string_view type) {
    auto found = btf_.size_of(type);
    if (!found) miss(fmt::format("struct {}", type));
    return found.value_or(0);
  }
  Member member(std::string_view type, std::initializer_list<std::string_view> any_of) {
    for (std::string_view name : any_of) {
      if (auto found = btf_.member(type, name)) return *found;
    }
    miss(fmt::format("struct {}'s member {}", type, *any_of.begin()));
    return {};
  }
  Offset at(std::string_view type, std::string_view name) { return member(type, {name}).offset_bytes; }
  Offset at(std::string_view type, std::initializer_list<std::string_view> any_of) { return member(type, any_of).offset_bytes; }
  MaybeOffset maybe(std::string_view type, std::initializer_list<std::string_view> any_of) {
    for (std::string_view name : any_of) {
      if (auto found = btf_.member(type, name)) return found->offset_bytes;
    }
    return std::nullopt;
  }
  u64 enumerator(std::string_view type, std::string_view name) {
    auto found = btf_.enumerator(type, name);
    if (!found) miss(fmt::format("enum {}'s {}", type, name));
    return found.value_or(0);
  }
  const Btf& btf() const { return btf_; }
  const std::string& missing() const { return missing_; }

 private:
  void miss(std::string what) {
    if (missing_.empty()) missing_ = std::move(what);
  }

  const Btf& btf_;
  std::string missing_;
};

// What only the account of all memory asks of a page.
void add_finer(PageLayout& page, Resolver& r) {
  const Btf& btf = r.btf();
  page.bit_swap_backed = btf.enumerator("pageflags", "PG_swapbacked");
  page.type_offline = btf.enumerator("pagetype", "PGTY_offline");
  page.type_table = btf.enumerator("pagetype", "PGTY_table");
  page.type_guard = btf.enumerator("pagetype", "PGTY_guard");
  page.type_hugetlb = btf.enumerator("pagetype", "PGTY_hugetlb");
  page.type_zsmalloc = btf.enumerator("pagetype", "PGTY_zsmalloc");
  page.type_unaccepted = btf.enumerator("pagetype", "PGTY_unaccepted");
  // A compound page has a destructor up to v6.5, hugetlb's being the second; then hugetlb has a flag, PG_hugetlb (v6.6,
  // 9c5ccf2db04b), until it becomes a page type (v6.9, d99e3140a4d3).
  auto flags = btf.member("folio", "_flags_1");
  if (auto destructor = btf.member("page", "compound_dtor")) {
    page.hugetlb_mark = destructor->offset_bytes;
    page.hugetlb_destructor = btf.enumerator("compound_dtor_id", "HUGETLB_PAGE_DTOR").value_or(2);
  } else if (auto bit = btf.enumerator("pageflags", "PG_hugetlb"); bit && flags) {
    page.hugetlb_mark = flags->offset_bytes - page.size_bytes;
    page.hugetlb_bit = bit;
  }
  page.page_pool_magic = r.maybe("page", {"pp_magic"});
}

PageLayout page_layout(Resolver& r) {
  PageLayout page{};
  page.size_bytes = r.size("page");
  page.flags = r.at("page", "flags");
  page.mapping = r.at("page", {"mapping"});
  page.private_data = r.at("page", {"private"});
  page.lru = r.at("page", {"lru"});
  page.page_type = r.at("page", {"page_type"});
  page.refcount = r.at("page", {"_refcount"});
  page.index = r.maybe("page", {"index", "__folio_index"});
  page.compound_head = r.at("page", {"compound_head", "compound_info"});
  page.memcg_data = r.maybe("page", {"memcg_data", "mem_cgroup"});
  // The order of a compound page stands in its first tail page: in a byte of its own there, as folio._folio_order for a
  // while, in the low byte of the flags since v6.6 (ebc1baf5c9b4).
  if (auto order = r.btf().member("page", "compound_order"))
    page.compound_order = order->offset_bytes;
  else if (auto folio = r.maybe("folio", {"_folio_order", "_flags_1"}))
    page.compound_order = *folio - page.size_bytes;
  page.bit_head = r.enumerator("pageflags", "PG_head");
  page.bit_lru = r.enumerator("pageflags", "PG_lru");
  page.bit_reserved = r.enumerator("pageflags", "PG_reserved");
  page.bit_slab = r.btf().enumerator("pageflags", "PG_slab");
  page.type_slab = r.btf().enumerator("pagetype", "PGTY_slab");
  page.type_buddy = r.btf().enumerator("pagetype", "PGTY_buddy");
  page.type_large_kmalloc = r.btf().enumerator("pagetype", "PGTY_large_kmalloc");
  add_finer(page, r);
  return page;
}

// struct per_cpu_pages hangs on a zone as per_cpu_pageset since v5.13 (28f836b6777b).
std::optional<ZoneLayout> zone_layout(const Btf& btf) {
  auto zones = btf.member("pglist_data", "node_zones");
  auto zone_bytes = btf.size_of("zone");
  auto per_cpu = btf.member("zone", "per_cpu_pageset");
  auto lists = btf.member("per_cpu_pages", "lists");
  auto count = btf.member("per_cpu_pages", "count");
  auto types = btf.enumerator("migratetype", "MIGRATE_PCPTYPES");
  if (!zones || !zone_bytes || *zone_bytes == 0 || !per_cpu || !lists || !count || !types || *types == 0) return std::nullopt;
  return ZoneLayout{.node_zones = zones->offset_bytes,
                    .per_cpu_lists = per_cpu->offset_bytes,
                    .zones = zones->size_bytes / *zone_bytes,
                    .zone_bytes = *zone_bytes,
                    .lists = lists->offset_bytes,
                    .count = count->offset_bytes,
                    .list_count = lists->size_bytes / 16,
                    .lists_per_order = static_cast<u32>(*types)};
}

SlabLayout slab_layout(Resolver& r) {
  // struct slab was split from struct page in v5.17 (d122019bf061).
  std::string_view type = r.btf().has("slab") ? "slab" : "page";
  SlabLayout slab{};
  slab.slab_cache = r.at(type, "slab_cache");
  slab.freelist = r.at(type, "freelist");
  slab.counters = r.at(type, "counters");
  slab.next = r.maybe(type, {"next"}).value_or(0);
  slab.inuse = r.member(type, {"inuse"});
  slab.objects = r.member(type, {"objects"});
  slab.frozen = r.btf().member(type, "frozen").value_or(Member{});
  slab.extensions = r.maybe(type, {"obj_exts", "memcg_data", "obj_cgroups"});
  return slab;
}

KmemCacheLayout cache_layout(Resolver& r) {
  KmemCacheLayout cache{};
  cache.flags = r.at("kmem_cache", "flags");
  cache.size = r.at("kmem_cache", "size");
  cache.object_size = r.at("kmem_cache", "object_size");
  cache.offset = r.at("kmem_cache", "offset");
  cache.red_left_pad = r.at("kmem_cache", "red_left_pad");
  cache.name = r.at("kmem_cache", "name");
  cache.list = r.at("kmem_cache", "list");
  cache.refcount = r.at("kmem_cache", "refcount");
  cache.cpu_slab = r.maybe("kmem_cache", {"cpu_slab"});
  cache.random = r.maybe("kmem_cache", {"random"});
  if (auto bit = r.btf().enumerator("_slab_flag_bits", "_SLAB_NOLEAKTRACE"); bit && *bit < 64) {
    cache.no_leak_trace = u64{1} << *bit;
  }
  cache.read_bytes = std::max({cache.flags, cache.size, cache.object_size, cache.offset, cache.red_left_pad, cache.name,
                               cache.list + 8, cache.refcount, cache.cpu_slab.value_or(0), cache.random.value_or(0)}) +
                     8;
  return cache;
}

CpuSlabLayout cpu_slab_layout(Resolver& r) {
  return {.size_bytes = r.size("kmem_cache_cpu"),
          .freelist = r.at("kmem_cache_cpu", "freelist"),
          .tid = r.at("kmem_cache_cpu", "tid"),
          .slab = r.at("kmem_cache_cpu", {"slab", "page"}),
          .partial = r.at("kmem_cache_cpu", {"partial"})};
}

SheafLayout sheaf_layout(Resolver& r) {
  SheafLayout s{};
  s.cpu_sheaves = r.at("kmem_cache", "cpu_sheaves");
  s.capacity = r.at("kmem_cache", "sheaf_capacity");
  // The barn of a node hung on its kmem_cache_node up to 7.0.
  if (auto nodes = r.maybe("kmem_cache", {"per_node"})) {
    s.nodes = *nodes;
    s.node_stride = r.size("kmem_cache_per_node_ptrs");
    s.node_entry = r.at("kmem_cache_per_node_ptrs", "barn");
  } else {
    s.nodes = r.at("kmem_cache", "node");
    s.node_stride = 8;
    s.node_barn = r.at("kmem_cache_node", "barn");
  }
  s.main = r.at("slub_percpu_sheaves", "main");
  s.spare = r.at("slub_percpu_sheaves", "spare");
  s.rcu_free = r.at("slub_percpu_sheaves", "rcu_free");
  s.cpu_bytes = r.size("slub_percpu_sheaves");
  s.links = r.at("slab_sheaf", "barn_list");
  s.cache = r.at("slab_sheaf", "cache");
  s.size = r.at("slab_sheaf", "size");
  s.node = r.at("slab_sheaf", "node");
  s.objects = r.at("slab_sheaf", "objects");
  s.full = r.at("node_barn", "sheaves_full");
  s.empty = r.at("node_barn", "sheaves_empty");
  return s;
}

VmallocLayout vmalloc_layout(Resolver& r) {
  VmallocLayout v{};
  v.va_start = r.at("vmap_area", "va_start");
  v.va_end = r.at("vmap_area", "va_end");
  v.area_list = r.at("vmap_area", "list");
  v.area_vm = r.at("vmap_area", "vm");
  v.has_purge_list = r.btf().member("vmap_area", "purge_list").has_value();
  v.area_bytes = r.size("vmap_area");
  v.vm_addr = r.at("vm_struct", "addr");
  v.vm_size = r.at("vm_struct", "size");
  v.vm_flags = r.at("vm_struct", "flags");
  v.vm_pages = r.at("vm_struct", "pages");
  v.vm_nr_pages = r.at("vm_struct", "nr_pages");
  v.vm_caller = r.at("vm_struct", "caller");
  v.vm_bytes = r.size("vm_struct");
  v.node_busy_list = r.maybe("vmap_node", {"busy.head"});
  v.node_bytes = r.btf().size_of("vmap_node").value_or(0);
  v.stack_header_bytes = r.btf().size_of("vm_stack").value_or(0);
  return v;
}

PerCpuLayout percpu_layout(Resolver& r) {
  return {.chunk_bytes = r.size("pcpu_chunk"),
          .list = r.at("pcpu_chunk", "list"),
          .base_addr = r.at("pcpu_chunk", "base_addr"),
          .alloc_map = r.at("pcpu_chunk", "alloc_map"),
          .bound_map = r.at("pcpu_chunk", "bound_map"),
          .start_offset = r.at("pcpu_chunk", "start_offset"),
          .end_offset = r.at("pcpu_chunk", "end_offset"),
          .nr_pages = r.at("pcpu_chunk", "nr_pages")};
}

TaskLayout task_layout(Resolver& r) {
  TaskLayout t{};
  t.stack = r.at("task_struct", "stack");
  t.on_cpu = r.member("task_struct", {"on_cpu"});
  t.tasks = r.at("task_struct", "tasks");
  t.mm = r.at("task_struct", "mm");
  t.pid = r.at("task_struct", "pid");
  t.comm = r.at("task_struct", "comm");
  t.files = r.at("task_struct", "files");
  t.signal = r.at("task_struct", "signal");
  t.thread_node = r.at("task_struct", "thread_node");
  t.sp = r.at("task_struct", "thread.sp");
  for (std::string_view member : {"se.run_node", "se.group_node", "rt.run_list", "dl.rb_node", "pushable_tasks",
                                  "pushable_dl_tasks", "wake_entry", "last_wakee"}) {
    if (auto link = r.btf().member("task_struct", member)) t.scheduler_links.emplace_back(link->offset_bytes, link->size_bytes);
  }
  std::ranges::sort(t.scheduler_links);
  // Since v6.16 it follows the task_struct in the same object.
  if (auto inside = r.maybe("task_struct", {"thread.fpu.__fpstate", "thread.fpu.state"}))
    t.fpu = *inside;
  else
    t.fpu = r.size("task_struct") + r.at("fpu", "__fpstate");
  t.signal_thread_head = r.at("signal_struct", "thread_head");
  t.mm_start_stack = r.at("mm_struct", "start_stack");
  t.files_fdt = r.at("files_struct", "fdt");
  t.fdt_max_fds = r.at("fdtable", "max_fds");
  t.fdt_fd = r.at("fdtable", "fd");
  t.file_private_data = r.at("file", "private_data");
  // 5.10 has it in a member that is for something else in other tasks.
  t.kthread = r.maybe("task_struct", {"worker_private", "set_child_tid"});
  t.threadfn = r.maybe("kthread", {"threadfn"});
  t.read_bytes = std::max({t.stack, t.on_cpu.offset_bytes, t.tasks, t.mm, t.pid, t.comm + 16u, t.files, t.signal, t.thread_node,
                           t.sp, t.kthread.value_or(0)}) +
                 8;
  return t;
}

ModuleLayout module_layout(Resolver& r) {
  ModuleLayout m{};
  m.list = r.at("module", "list");
  m.name = r.at("module", "name");
  m.kallsyms = r.at("module", "kallsyms");
  // One allocation a kind of memory since v6.4 (ac3b43283923).
  if (auto mem = r.btf().member("module", "mem")) {
    m.mem = mem->offset_bytes;
    m.mem_bytes = r.size("module_memory");
    m.mem_count = m.mem_bytes == 0 ? 0 : mem->size_bytes / m.mem_bytes;
    m.mem_base = r.at("module_memory", "base");
    m.mem_size = r.at("module_memory", "size");
    for (std::string_view kind : {"MOD_DATA", "MOD_RO_AFTER_INIT", "MOD_INIT_DATA"}) {
      m.mem_data_kinds.push_back(static_cast<u32>(r.enumerator("mod_mem_type", kind)));
    }
    m.read_bytes = mem->offset_bytes + mem->size_bytes;
  } else {
    m.core = r.at("module", "core_layout");
    m.init = r.at("module", "init_layout");
    m.layout_base = r.at("module_layout", "base");
    m.layout_size = r.at("module_layout", "size");
    m.layout_ro_size = r.at("module_layout", "ro_size");
    m.layout_text_size = r.at("module_layout", "text_size");
    m.read_bytes = std::max(*m.core, *m.init) + r.size("module_layout");
  }
  m.read_bytes = std::max({m.read_bytes, m.kallsyms + 8, m.name + 56, m.list + 16});
  m.symtab = r.at("mod_kallsyms", "symtab");
  m.num_symtab = r.at("mod_kallsyms", "num_symtab");
  m.strtab = r.at("mod_kallsyms", "strtab");
  m.kallsyms_bytes = r.size("mod_kallsyms");
  return m;
}

// Two singly linked lists up to 6.3; since v6.4 (27538e18b62f) list heads.
std::optional<RcuPagesLayout> rcu_pages_layout(const Btf& btf) {
  auto used = btf.member("kfree_rcu_cpu", "bkvhead");
  auto waiting = btf.member("kfree_rcu_cpu_work", "bkvhead_free");
  auto next = btf.member("kvfree_rcu_bulk_data", "next");
  if (!used) {
    used = btf.member("kfree_rcu_cpu", "bulk_head");
    waiting = btf.member("kfree_rcu_cpu_work", "bulk_head_free");
    next = btf.member("kvfree_rcu_bulk_data", "list");
  }
  auto cache = btf.member("kfree_rcu_cpu", "bkvcache");
  auto works = btf.member("kfree_rcu_cpu", "krw_arr");
  auto work_bytes = btf.size_of("kfree_rcu_cpu_work");
  auto count = btf.member("kvfree_rcu_bulk_data", "nr_records");
  auto records = btf.member("kvfree_rcu_bulk_data", "records");
  if (!used || !waiting || !next || !cache || !works || !work_bytes || *work_bytes == 0 || !count || !records)
    return std::nullopt;
  return RcuPagesLayout{.cache = cache->offset_bytes,
                        .used_lists = used->offset_bytes,
                        .list_stride = used->size_bytes / 2,
                        .work_array = works->offset_bytes,
                        .work_lists = waiting->offset_bytes,
                        .works = works->size_bytes / *work_bytes,
                        .work_bytes = *work_bytes,
                        .next = next->offset_bytes,
                        .count = count->offset_bytes,
                        .records = records->offset_bytes};
}

}  // namespace

Result<Layouts> Layouts::resolve(const Btf& btf) {
  Resolver r(btf);
  Layouts l{};
  l.page = page_layout(r);
  l.slab = slab_layout(r);
  l.cache = cache_layout(r);
  if (l.cache.cpu_slab) l.cpu_slab = cpu_slab_layout(r);
  if (btf.has("slab_sheaf")) l.sheaves = sheaf_layout(r);
  l.vmalloc = vmalloc_layout(r);
  l.percpu = percpu_layout(r);
  l.task = task_layout(r);
  l.module = module_layout(r);
  if (btf.has("ctl_table_header")) {
    l.sysctl = SysctlLayout{.ctl_table = r.at("ctl_table_header", "ctl_table"),
                            .root = r.at("ctl_table_header", "root"),
                            .table_argument = r.at("ctl_table_header", "ctl_table_arg"),
                            .table_size = r.maybe("ctl_table_header", {"ctl_table_size"}),
                            .header_bytes = r.size("ctl_table_header")};
  }
  if (btf.member("napi_alloc_cache", "skb_cache")) {
    l.napi_cache = NapiCacheLayout{.count = r.at("napi_alloc_cache", "skb_count"),
                                   .slots = r.at("napi_alloc_cache", "skb_cache"),
                                   .size_bytes = r.size("napi_alloc_cache")};
  }
  if (auto marks = btf.member("xa_node", "marks")) {
    l.xarray = XarrayLayout{.marks = marks->offset_bytes, .marks_bytes = marks->size_bytes, .node_bytes = r.size("xa_node")};
  }
  // Since v7.2 there is a pointer to the first waiter in place of the list: an idle one cannot be told by what is in it.
  auto owner = btf.member("rw_semaphore", "owner"), wait_list = btf.member("rw_semaphore", "wait_list");
  if (owner && wait_list) l.rwsem = RwsemLayout{.owner = owner->offset_bytes, .wait_list = wait_list->offset_bytes};
  l.rcu_pages = rcu_pages_layout(btf);
  l.zone = zone_layout(btf);
  l.origins = OriginLayouts::resolve(btf);
  l.mm_pgd = r.maybe("mm_struct", {"pgd"});
  l.switch_frame_bytes = btf.size_of("inactive_task_frame");
  l.irq_stack_bytes = btf.size_of("irq_stack");
  l.exception_stacks_bytes = btf.size_of("exception_stacks");
  l.entry_stack_bytes = btf.size_of("entry_stack_page");
  if (!r.missing().empty()) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("the kernel's BTF has no {}: its layout is not known to this version", r.missing()));
  }
  if (std::string_view name = struct_out_of_bounds(l); !name.empty())
    return Error(ErrorCode::BadData, fmt::format("the kernel's BTF contradicts itself about struct {}", name));
  return l;
}

}  // namespace orphan::kernel
