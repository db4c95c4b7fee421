// SPDX-License-Identifier: Apache-2.0
// Per-CPU memory, sheaves, vmalloc areas, tasks and modules of the made-up kernel.
#include <algorithm>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr u64 kReservedBytes = 0x2000;  // for per-CPU variables of modules
constexpr u64 kFarPages = 4;            // of a far chunk that are populated
constexpr u64 kBit = 4;                 // bytes that a bit of a chunk's maps stands for

}  // namespace

// --- per-CPU ---

void FakeKernel::make_percpu() {
  Addr start{version_.percpu_start};
  std::array<Addr, kCpus> units{boot_pages(kUnitBytes / kPageBytes), boot_pages(kUnitBytes / kPageBytes)};
  for (u32 cpu = 0; cpu < kCpus; ++cpu) cpu_offsets_[cpu] = units[cpu] - start;
  PerCpuSymbols& symbols = globals.percpu;
  symbols.start = start;
  symbols.end = start + kStaticBytes;
  symbols.cpu_count = add_global(8);
  ram_.put(symbols.cpu_count, u32{3});
  symbols.possible_mask = add_global(8);
  put_word(*symbols.possible_mask, 0b101);  // the CPU in between does not exist
  symbols.cpu_offsets = add_global(24);
  put_word(symbols.cpu_offsets, cpu_offsets_[0]);
  put_word(symbols.cpu_offsets + 8, 0x1234'5000);
  put_word(symbols.cpu_offsets + 16, cpu_offsets_[1]);
  symbols.base_addr = add_global(8);
  put_word(symbols.base_addr, units[0].value);
  symbols.unit_size = add_global(8);
  put_word(symbols.unit_size, kUnitBytes);
  Addr lists = boot_bytes(4 * 16);
  for (u64 i = 0; i < 4; ++i) link(lists + i * 16, {});
  symbols.chunk_lists = add_global(8);
  point(symbols.chunk_lists, lists);
  symbols.slot_count = add_global(8);
  put_word(symbols.slot_count, 4);
  symbols.reserved_chunk = add_global(8);

  chunks_.reserve(3);
  u64 first = kStaticBytes + kReservedBytes;
  add_chunk(units[0] + align_down(first, kPageBytes), first % kPageBytes, kUnitBytes - align_down(first, kPageBytes),
            kUnitBytes / kPageBytes - first / kPageBytes);
  std::array<Addr, 1> node{member(chunks_[0].chunk, "pcpu_chunk", "list")};
  link(lists + 16, node);
  add_chunk(units[0] + align_down(kStaticBytes, kPageBytes), kStaticBytes % kPageBytes,
            kStaticBytes % kPageBytes + kReservedBytes, 3);
  point(symbols.reserved_chunk, chunks_[1].chunk);
}

// A chunk that hands out [begin, end) from `base` on.
FakeKernel::Chunk& FakeKernel::add_chunk(Addr base, u64 begin, u64 end, u64 pages) {
  Chunk chunk{};
  chunk.base = base;
  chunk.begin = chunk.used = begin;
  chunk.end = end;
  Addr first_base =
      chunks_.empty() ? base - align_down(kStaticBytes + kReservedBytes, kPageBytes) : Addr{word(globals.percpu.base_addr)};
  chunk.first_cookie = Addr{version_.percpu_start} + (base - first_base);
  u64 map_bytes = pages * kPageBytes / kBit / 8;
  bool is_far = chunks_.size() == 2;
  chunk.chunk = is_far ? kmalloc(types_.size("pcpu_chunk")) : boot_bytes(types_.size("pcpu_chunk"));
  chunk.alloc_map = is_far ? kmalloc(map_bytes) : boot_bytes(map_bytes);
  chunk.bound_map = is_far ? kmalloc(map_bytes + 8) : boot_bytes(map_bytes + 8);
  put(chunk.chunk, "pcpu_chunk", "base_addr", base);
  put(chunk.chunk, "pcpu_chunk", "alloc_map", chunk.alloc_map);
  put(chunk.chunk, "pcpu_chunk", "bound_map", chunk.bound_map);
  put(chunk.chunk, "pcpu_chunk", "start_offset", begin);
  put(chunk.chunk, "pcpu_chunk", "end_offset", pages * kPageBytes - end);
  put(chunk.chunk, "pcpu_chunk", "nr_pages", pages);
  auto set_bit = [&](Addr map, u64 bit) { put_word(map + bit / 64 * 8, word(map + bit / 64 * 8) | u64{1} << (bit % 64)); };
  // What is not to be handed out looks used.
  for (u64 at = 0; at < begin; at += kBit) set_bit(chunk.alloc_map, at / kBit);
  set_bit(chunk.bound_map, 0);
  set_bit(chunk.bound_map, begin / kBit);
  set_bit(chunk.bound_map, end / kBit);
  chunks_.push_back(chunk);
  return chunks_.back();
}

Addr FakeKernel::take_percpu(Chunk& chunk, u64 size_bytes) {
  size_bytes = align_up(size_bytes, 8);
  u64 at = align_up(chunk.used, 8);
  chunk.used = at + size_bytes;
  VERIFY(chunk.used <= chunk.end);
  auto set_bit = [&](Addr map, u64 bit) { put_word(map + bit / 64 * 8, word(map + bit / 64 * 8) | u64{1} << (bit % 64)); };
  for (u64 bit = at / kBit; bit < chunk.used / kBit; ++bit) set_bit(chunk.alloc_map, bit);
  set_bit(chunk.bound_map, at / kBit);
  set_bit(chunk.bound_map, chunk.used / kBit);
  return chunk.first_cookie + at;
}

Addr FakeKernel::add_percpu(u64 size_bytes) {
  return take_percpu(chunks_[0], size_bytes);
}

Addr FakeKernel::add_percpu_reserved(u64 size_bytes) {
  return take_percpu(chunks_[1], size_bytes);
}

Addr FakeKernel::add_percpu_far(u64 size_bytes) {
  return take_percpu(chunks_[2], size_bytes);
}

// --- sheaves ---

void FakeKernel::make_barns(FakeCache& cache) {
  cache.cpu_sheaves = add_percpu(types_.size("slub_percpu_sheaves"));
  for (u32 node = 0; node < 2; ++node) {
    Addr barn = kmalloc(types_.size("node_barn"));
    for (std::string_view list : {"sheaves_full", "sheaves_empty"}) link(member(barn, "node_barn", list), {});
    cache.barns.push_back(barn);
  }
}

Addr FakeKernel::add_sheaf(u32 cache, std::span<const Addr> objects, u32 size) {
  VERIFY(objects.size() <= caches_[cache].sheaf_capacity);
  Addr sheaf = kmalloc(offset("slab_sheaf", "objects") + u64{caches_[cache].sheaf_capacity} * 8);
  put(sheaf, "slab_sheaf", "cache", caches_[cache].address);
  put(sheaf, "slab_sheaf", "size", size);
  for (u32 slot = 0; slot < objects.size(); ++slot) point(sheaf_slot(sheaf, slot), objects[slot]);
  return sheaf;
}

void FakeKernel::give_sheaf(u32 cache, u32 cpu, std::string_view place, Addr sheaf) {
  put(caches_[cache].cpu_sheaves + cpu_offset(cpu), "slub_percpu_sheaves", place, sheaf);
}

void FakeKernel::put_in_barn(u32 cache, u32 node, std::string_view list, std::span<const Addr> sheaves) {
  std::vector<Addr> nodes;
  for (Addr sheaf : sheaves) nodes.push_back(member(sheaf, "slab_sheaf", "barn_list"));
  link(member(caches_[cache].barns[node], "node_barn", list), nodes);
}

void FakeKernel::defer_frees(u32 cpu, std::span<const Addr> objects) {
  Addr at = *globals.slub.deferred + cpu_offset(cpu);
  for (Addr object : objects) {
    Addr place = object + caches_[slab_of(object).cache].free_pointer;
    point(at, place);
    at = place;
  }
  put_word(at, 0);
}

// --- vmalloc ---

void FakeKernel::make_lists() {
  if (version_.is_typed) {
    Addr nodes = boot_bytes(2 * types_.size("vmap_node"));
    globals.vmalloc.nodes = add_global(8);
    point(*globals.vmalloc.nodes, nodes);
    globals.vmalloc.node_count = add_global(8);
    put_word(*globals.vmalloc.node_count, 2);
  } else {
    globals.vmalloc.area_list = add_global(16);
  }
  relink_areas();
  globals.modules = add_global(16);
  link(globals.modules, {});
  // The far chunk: the CPUs' parts are as far apart as their units. Its area has no pages of its own.
  FakeArea area = add_area_at(next_area_, 0, kText + 0x20, 2);
  next_area_ += 2 * kUnitBytes + kPageBytes;
  put(area.area, "vmap_area", "va_end", area.start + 2 * kUnitBytes + kPageBytes);
  put(area.vm, "vm_struct", "size", 2 * kUnitBytes + kPageBytes);
  for (u64 cpu = 0; cpu < kCpus; ++cpu) {
    for (u64 i = 0; i < kFarPages; ++i) {
      map_page(area.start + cpu * kUnitBytes + i * kPageBytes, add_plain_pages() * kPageBytes);
    }
  }
  Chunk& far = add_chunk(area.start, 0, kFarPages * kPageBytes, kUnitBytes / kPageBytes);
  std::array<Addr, 1> node{member(far.chunk, "pcpu_chunk", "list")};
  link(Addr{word(globals.percpu.chunk_lists)} + 3 * 16, node);
}

FakeArea FakeKernel::add_area(u64 pages, Addr caller, u64 vm_flags) {
  Addr start = next_area_;
  next_area_ += (pages + 1) * kPageBytes;
  return add_area_at(start, pages, caller, vm_flags);
}

FakeArea FakeKernel::add_area_at(Addr start, u64 pages, Addr caller, u64 vm_flags) {
  FakeArea area{
      .start = start, .pages = pages, .area = allocate(area_cache_), .vm = kmalloc(types_.size("vm_struct")), .frames = {}};
  Addr page_list = pages == 0 ? Addr{} : kmalloc(pages * 8);
  for (u64 i = 0; i < pages; ++i) {
    area.frames.push_back(add_plain_pages());
    map_page(start + i * kPageBytes, area.frames.back() * kPageBytes);
    point(page_list + i * 8, descriptor(area.frames.back()));
  }
  u64 reserved = (pages + 1) * kPageBytes;  // with a guard page
  put(area.area, "vmap_area", "va_start", start);
  put(area.area, "vmap_area", "va_end", start + reserved);
  put(area.area, "vmap_area", "vm", area.vm);
  put(area.vm, "vm_struct", "addr", start);
  put(area.vm, "vm_struct", "size", reserved);
  put(area.vm, "vm_struct", "flags", vm_flags);
  put(area.vm, "vm_struct", "pages", page_list);
  put(area.vm, "vm_struct", "nr_pages", pages);
  put(area.vm, "vm_struct", "caller", caller);
  areas_.push_back(area);
  relink_areas();
  return area;
}

void FakeKernel::remove_area(const FakeArea& area) {
  std::erase_if(areas_, [&](const FakeArea& other) { return other.start == area.start; });
  relink_areas();
}

void FakeKernel::relink_areas() {
  std::ranges::sort(areas_, {}, &FakeArea::start);
  auto node = [&](const FakeArea& area) { return member(area.area, "vmap_area", "list"); };
  std::array<std::vector<Addr>, 2> lists;
  for (const FakeArea& area : areas_) lists[version_.is_typed ? area.start.value >> 16 & 1 : 0].push_back(node(area));
  if (!version_.is_typed) return link(*globals.vmalloc.area_list, lists[0]);
  Addr nodes{word(*globals.vmalloc.nodes)};
  for (u64 i = 0; i < 2; ++i) link(member(nodes + i * types_.size("vmap_node"), "vmap_node", "busy.head"), lists[i]);
}

// --- tasks ---

void FakeKernel::make_tasks() {
  Addr task = globals.tasks.init_task = add_global(types_.size("task_struct"));
  put(task, "task_struct", "signal", add_global(types_.size("signal_struct")));
  put(task, "task_struct", "stack", *globals.init_stack);
  put(task, "task_struct", "thread.sp", *globals.init_stack + 2 * kPageBytes);
  globals.tasks.idle_threads = percpu_variable(0x200);
  globals.cached_stacks = percpu_variable(0x210);
  globals.napi_alloc_cache = percpu_variable(0x400);
  globals.irq_stack_backing_store = percpu_variable(0x1000);
  globals.exception_stacks = percpu_variable(0x2800);
  globals.entry_stack_storage = percpu_variable(0x3900);
  globals.krc = percpu_variable(0x3c00);
  put_word(*globals.tasks.idle_threads + cpu_offset(0), task.value);
  relink_tasks();
  add_task(1);
}

void FakeKernel::relink_tasks() {
  std::vector<Addr> nodes, all = tasks_;
  for (Addr task : tasks_) nodes.push_back(member(task, "task_struct", "tasks"));
  link(member(init_task(), "task_struct", "tasks"), nodes);
  all.push_back(init_task());
  for (Addr leader : all) {
    std::vector<Addr> group{member(leader, "task_struct", "thread_node")};
    for (auto [of, thread] : threads_) {
      if (of == leader) group.push_back(member(thread, "task_struct", "thread_node"));
    }
    link(member(Addr{value(leader, "task_struct", "signal")}, "signal_struct", "thread_head"), group);
  }
}

Addr FakeKernel::add_task(u32 pid) {
  Addr task = allocate(task_cache_);
  FakeArea stack = add_area(kStackPages, kStackCaller);
  put(task, "task_struct", "stack", stack.start);
  put(task, "task_struct", "thread.sp", stack.start + 2 * kPageBytes);
  put(task, "task_struct", "pid", pid);
  put(task, "task_struct", "signal", kmalloc(types_.size("signal_struct")));
  tasks_.push_back(task);
  relink_tasks();
  return task;
}

void FakeKernel::exit_task(Addr task) {
  std::erase(tasks_, task);
  relink_tasks();
  for (u64 word = 0; word < 2; ++word) put_word(member(task, "task_struct", "tasks") + word * 8, 0xdead'0000'0000'0100);
}

Addr FakeKernel::add_thread(Addr leader, u32 pid) {
  Addr thread = add_task(pid);
  tasks_.pop_back();
  put(thread, "task_struct", "signal", value(leader, "task_struct", "signal"));
  put(thread, "task_struct", "mm", value(leader, "task_struct", "mm"));
  threads_.emplace_back(leader, thread);
  relink_tasks();
  return thread;
}

FakeArea FakeKernel::stack_area_of(Addr task) const {
  auto found = std::ranges::find(areas_, stack_of(task), &FakeArea::start);
  VERIFY(found != areas_.end());
  return *found;
}

Addr FakeKernel::make_ours(Addr task) {
  constexpr int kDescriptor = 3;
  self = {kOurStack, {kDescriptor}};
  Addr mm = kmalloc(types_.size("mm_struct"));
  put(mm, "mm_struct", "start_stack", kOurStack);
  put(task, "task_struct", "mm", mm);
  Addr files = kmalloc(types_.size("files_struct")), table = kmalloc(types_.size("fdtable")), list = kmalloc(64 * 8);
  put(task, "task_struct", "files", files);
  put(files, "files_struct", "fdt", table);
  put(table, "fdtable", "max_fds", 64);
  put(table, "fdtable", "fd", list);
  Addr file = kmalloc(types_.size("file")), buffer = kmalloc(kPageBytes);
  point(list + kDescriptor * 8, file);
  put(file, "file", "private_data", buffer);
  return buffer;
}

// --- modules ---

FakeModule FakeKernel::add_module(std::string_view name) {
  Addr start = kModules + modules_.size() * 16 * kPageBytes;
  auto part = [&](u64 number) { return Range{start + number * kPageBytes * (version_.is_typed ? 2 : 1), kPageBytes}; };
  FakeModule module{
      .module = part(3).start + 0x100, .text = part(0), .rodata = part(1), .ro_after_init = part(2), .data = part(3)};
  if (version_.is_typed) {
    for (u64 i = 0; i < 4; ++i) add_area_at(part(i).start, 1, kModuleCaller, 2);
  } else {
    add_area_at(start, 4, kModuleCaller, 2);
  }
  u32 offset_of_name = offset("module", "name");
  for (std::size_t i = 0; i < name.size(); ++i) {
    Addr at = module.module + offset_of_name + i / 8 * 8;
    put_word(at, word(at) | u64{static_cast<u8>(name[i])} << (i % 8 * 8));
  }
  if (version_.is_typed) {
    std::array<std::pair<const char*, Range>, 4> kinds{{{"MOD_TEXT", module.text},
                                                        {"MOD_RODATA", module.rodata},
                                                        {"MOD_RO_AFTER_INIT", module.ro_after_init},
                                                        {"MOD_DATA", module.data}}};
    for (auto [kind, range] : kinds) {
      u64 at = static_cast<u64>(types_.enumerator("mod_mem_type", kind)) * types_.size("module_memory");
      Addr memory = member(module.module, "module", "mem") + at;
      put(memory, "module_memory", "base", range.start);
      put(memory, "module_memory", "size", range.size_bytes);
    }
  } else {
    put(module.module, "module", "core_layout.base", start);
    put(module.module, "module", "core_layout.size", 4 * kPageBytes);
    put(module.module, "module", "core_layout.text_size", kPageBytes);
    put(module.module, "module", "core_layout.ro_size", 2 * kPageBytes);
    put(module.module, "module", "core_layout.ro_after_init_size", 3 * kPageBytes);
  }
  modules_.push_back(module.module);
  std::vector<Addr> nodes;
  for (Addr other : modules_) nodes.push_back(member(other, "module", "list"));
  link(globals.modules, nodes);
  return module;
}

}  // namespace orphan::kernel
