// SPDX-License-Identifier: Apache-2.0
// The kernel's global variables that we read, by name. BTF has no addresses and the symbol table no types: this is the
// table between them.
#pragma once
#include "kernel/btf.h"
#include "kernel/kfence.h"
#include "kernel/percpu.h"
#include "kernel/slub.h"
#include "kernel/symbols.h"
#include "kernel/tasks.h"
#include "kernel/vmalloc.h"

namespace orphan::kernel {

struct PageOwnerSymbols {
  std::optional<Addr> enabled;       // a static key
  std::optional<Addr> operations;    // where in a record it keeps what it notes
  std::optional<Addr> record_bytes;  // of a page
  std::optional<Addr> sections;      // the table of memory sections
};

struct Globals {
  // The address space.
  Addr page_offset_base, vmalloc_base, vmemmap_base, init_top_pgt;
  // The image, at its link addresses as KASLR moved them.
  Addr text, text_end, rodata, rodata_end;
  std::optional<Addr> ro_after_init, ro_after_init_end, init_stack;
  SlubSymbols slub;
  PerCpuSymbols percpu;
  VmallocSymbols vmalloc;
  TaskSymbols tasks;
  Addr modules;
  std::optional<Addr> kthread, kthreadd_task, watchdog_task;
  // Functions that have the address of futex_queues as a runtime constant on new kernels (seen on 7.3).
  std::optional<Addr> futex_hash, inner_futex_hash;
  // Per-CPU variables (cookies) and tables of the rules for words that own nothing.
  std::optional<Addr> napi_alloc_cache, irq_stack_backing_store, exception_stacks, entry_stack_storage, cached_stacks, krc;
  std::optional<Addr> sysctl_table_root;
  std::optional<Addr> fpregs_owner;        // per-CPU
  std::optional<Addr> ext4_lazyinit_task;  // where ext4 is part of the image
  std::optional<Addr> image_end;
  std::optional<Addr> top_tables;  // a list of all address spaces' top page tables
  // Where the zones hang: a table of nodes and its size, or the one node there is.
  std::optional<Addr> nodes, node_count, only_node;

  KfenceSymbols kfence;
  std::optional<Addr> stack_pools;  // of the stack depot
  PageOwnerSymbols page_owner;
  std::optional<Addr> jiffies, jiffies_source;  // the kernel's clock, and what says how long its ticks are

  // Unsupported, naming the symbol, when one that cannot be done without is missing or its type is not in the BTF.
  static Result<Globals> resolve(const Symbols& symbols, const Btf& btf);
};

}  // namespace orphan::kernel
