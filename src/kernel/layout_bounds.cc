// SPDX-License-Identifier: Apache-2.0
#include "kernel/layout_bounds.h"

#include <algorithm>
#include <initializer_list>

#include "base/addr.h"

namespace orphan::kernel {
namespace {

constexpr u32 kMostPageBytes = 512;

bool fit(u64 struct_bytes, std::initializer_list<MaybeOffset> members, u64 member_bytes) {
  return std::ranges::all_of(members, [&](MaybeOffset member) { return !member || *member + member_bytes <= struct_bytes; });
}

bool is_bit(std::optional<u64> bit) {
  return !bit || *bit < 64;
}

bool page_fits(const PageLayout& p) {
  return p.size_bytes >= 16 && p.size_bytes <= kMostPageBytes && fit(p.size_bytes, {p.page_type, p.refcount}, 4) &&
         fit(p.size_bytes, {p.flags, p.mapping, p.private_data, p.index, p.compound_head, p.memcg_data, p.compound_order}, 8) &&
         fit(p.size_bytes, {p.lru}, 16) && is_bit(p.bit_head) && is_bit(p.bit_lru) && is_bit(p.bit_reserved) &&
         is_bit(p.bit_slab);
}

bool slab_fits(const SlabLayout& s, u64 page_bytes) {
  // A bit field is taken out of the word that it begins in.
  auto field = [](const Member& member) { return MaybeOffset(static_cast<u32>(align_down(member.offset_bytes, 4))); };
  bool are_fields = std::ranges::all_of(std::initializer_list<Member>{s.inuse, s.objects, s.frozen},
                                        [](const Member& member) { return member.bit_size <= 32; });
  return are_fields && fit(page_bytes, {s.slab_cache, s.freelist, s.counters, s.next, s.extensions}, 8) &&
         fit(page_bytes, {field(s.inuse), field(s.objects), field(s.frozen)}, 4);
}

bool vmalloc_fits(const VmallocLayout& v) {
  return fit(v.area_bytes, {v.va_start, v.va_end, v.area_list, v.area_vm}, 8) && fit(v.vm_bytes, {v.vm_nr_pages}, 4) &&
         fit(v.vm_bytes, {v.vm_addr, v.vm_size, v.vm_flags, v.vm_pages, v.vm_caller}, 8);
}

bool module_fits(const ModuleLayout& m) {
  bool are_kinds = !m.mem || std::ranges::all_of(m.mem_data_kinds, [&](u32 kind) { return kind < m.mem_count; });
  return are_kinds && (!m.mem || (fit(m.mem_bytes, {m.mem_base}, 8) && fit(m.mem_bytes, {m.mem_size}, 4))) &&
         fit(m.kallsyms_bytes, {m.symtab, m.strtab}, 8) && fit(m.kallsyms_bytes, {m.num_symtab}, 4);
}

}  // namespace

std::string_view struct_out_of_bounds(const Layouts& l) {
  if (!page_fits(l.page)) return "page";
  if (!slab_fits(l.slab, l.page.size_bytes)) return "slab";
  const auto& cpu = l.cpu_slab;
  if (cpu && !fit(cpu->size_bytes, {cpu->freelist, cpu->tid, cpu->slab, cpu->partial}, 8)) return "kmem_cache_cpu";
  if (!vmalloc_fits(l.vmalloc)) return "vm_struct";
  const PerCpuLayout& p = l.percpu;
  if (!fit(p.chunk_bytes, {p.list, p.base_addr, p.alloc_map, p.bound_map}, 8) ||
      !fit(p.chunk_bytes, {p.start_offset, p.end_offset, p.nr_pages}, 4)) {
    return "pcpu_chunk";
  }
  if (!module_fits(l.module)) return "module";
  const auto& sysctl = l.sysctl;
  if (sysctl && (!fit(sysctl->header_bytes, {sysctl->ctl_table, sysctl->root, sysctl->table_argument}, 8) ||
                 !fit(sysctl->header_bytes, {sysctl->table_size}, 4))) {
    return "ctl_table_header";
  }
  return {};
}

}  // namespace orphan::kernel
