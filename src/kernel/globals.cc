// SPDX-License-Identifier: Apache-2.0
#include "kernel/globals.h"

#include <fmt/format.h>

namespace orphan::kernel {
namespace {

struct Entry {
  std::string_view symbol;
  std::string_view type;  // a struct that BTF must have, or empty for plain numbers and pointers
  Addr* needed;
  std::optional<Addr>* wanted;
};

std::vector<Entry> table(Globals& g) {
  auto need = [](std::string_view symbol, std::string_view type, Addr& to) { return Entry{symbol, type, &to, nullptr}; };
  auto want = [](std::string_view symbol, std::string_view type, std::optional<Addr>& to) {
    return Entry{symbol, type, nullptr, &to};
  };
  return {
      need("page_offset_base", "", g.page_offset_base),
      need("vmalloc_base", "", g.vmalloc_base),
      need("vmemmap_base", "", g.vmemmap_base),
      need("init_top_pgt", "", g.init_top_pgt),
      need("_text", "", g.text),
      need("_etext", "", g.text_end),
      need("__start_rodata", "", g.rodata),
      need("__end_rodata", "", g.rodata_end),
      want("__start_ro_after_init", "", g.ro_after_init),
      want("__end_ro_after_init", "", g.ro_after_init_end),
      want("init_stack", "", g.init_stack),
      need("slab_caches", "list_head", g.slub.slab_caches),
      want("nr_node_ids", "", g.slub.node_count),
      want("defer_free_objects", "defer_free", g.slub.deferred),
      need("pcpu_chunk_lists", "list_head", g.percpu.chunk_lists),
      need("pcpu_nr_slots", "", g.percpu.slot_count),
      need("pcpu_base_addr", "", g.percpu.base_addr),
      need("pcpu_unit_size", "", g.percpu.unit_size),
      need("pcpu_reserved_chunk", "pcpu_chunk", g.percpu.reserved_chunk),
      need("__per_cpu_offset", "", g.percpu.cpu_offsets),
      need("nr_cpu_ids", "", g.percpu.cpu_count),
      want("__cpu_possible_mask", "cpumask", g.percpu.possible_mask),
      need("__per_cpu_start", "", g.percpu.start),
      need("__per_cpu_end", "", g.percpu.end),
      want("vmap_area_list", "list_head", g.vmalloc.area_list),
      want("vmap_nodes", "vmap_node", g.vmalloc.nodes),
      want("nr_vmap_nodes", "", g.vmalloc.node_count),
      need("init_task", "task_struct", g.tasks.init_task),
      want("idle_threads", "task_struct", g.tasks.idle_threads),
      want("kthread", "", g.kthread),
      want("kthreadd_task", "task_struct", g.kthreadd_task),
      want("futex_hash", "", g.futex_hash),
      want("__futex_hash", "", g.inner_futex_hash),
      want("watchdog_task", "task_struct", g.watchdog_task),
      need("modules", "module", g.modules),
      want("napi_alloc_cache", "napi_alloc_cache", g.napi_alloc_cache),
      want("irq_stack_backing_store", "irq_stack", g.irq_stack_backing_store),
      want("exception_stacks", "exception_stacks", g.exception_stacks),
      want("entry_stack_storage", "entry_stack_page", g.entry_stack_storage),
      want("cached_stacks", "vm_struct", g.cached_stacks),
      want("krc", "kfree_rcu_cpu", g.krc),
      want("fpu_fpregs_owner_ctx", "fpu", g.fpregs_owner),
      want("ext4_lazyinit_task", "task_struct", g.ext4_lazyinit_task),
      want("_end", "", g.image_end),
      want("pgd_list", "list_head", g.top_tables),
      want("node_data", "pglist_data", g.nodes),
      want("nr_node_ids", "", g.node_count),
      want("contig_page_data", "pglist_data", g.only_node),
      want("__kfence_pool", "", g.kfence.pool),
      want("kfence_metadata", "kfence_metadata", g.kfence.metadata),
      want("stack_slabs", "stack_record", g.stack_pools),
      want("stack_pools", "stack_record", g.stack_pools),
      want("page_owner_inited", "static_key", g.page_owner.enabled),
      want("page_owner_ops", "page_ext_operations", g.page_owner.operations),
      want("page_ext_size", "", g.page_owner.record_bytes),
      want("mem_section", "mem_section", g.page_owner.sections),
      want("jiffies_64", "", g.jiffies),
      want("clocksource_jiffies", "clocksource", g.jiffies_source),
      want("sysctl_table_root", "ctl_table_root", g.sysctl_table_root),
  };
}

}  // namespace

Result<Globals> Globals::resolve(const Symbols& symbols, const Btf& btf) {
  Globals globals;
  std::vector<Entry> entries = table(globals);
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.push_back(entry.symbol);
  std::vector<std::optional<Symbol>> found = symbols.find(names);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    bool is_known = found[i] && (entry.type.empty() || btf.has(entry.type));
    if (entry.needed != nullptr && !is_known) {
      return Error(ErrorCode::Unsupported,
                   fmt::format("the kernel has no variable {}{}{}: it is built in a way that this version does not know",
                               entry.symbol, entry.type.empty() ? "" : " of struct ", entry.type));
    }
    if (!is_known) continue;
    if (entry.needed != nullptr)
      *entry.needed = found[i]->address;
    else
      *entry.wanted = found[i]->address;
  }
  if (!globals.vmalloc.area_list && !globals.vmalloc.nodes) {
    return Error(ErrorCode::Unsupported, "the kernel has neither vmap_area_list nor vmap_nodes: vmalloc cannot be read");
  }
  return globals;
}

}  // namespace orphan::kernel
