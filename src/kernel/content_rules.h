// SPDX-License-Identifier: Apache-2.0
// Words that look like references and keep nothing alive. One table of rules, each with its reason; every rule tells where
// such words stand: in blocks (for the marker's ContentFilter), or in memory that is cut out of the roots.
#pragma once
#include <string_view>

#include "kernel/address_space.h"
#include "kernel/globals.h"
#include "kernel/layouts.h"
#include "scan/snapshot.h"

namespace orphan::kernel {

enum class Rule : u8 {
  VmapAreaBounds,  // blocks
  VmStructAddr,
  PerCpuChunkBase,
  CacheFlags,
  TaskState,
  XarrayNumbers,
  RwsemReader,  // anywhere
  StaleVariable,
  BounceBuffer,
  SheafSlots,
  CpuSlab,
  NapiFreeSkbs,
  NapiStaleSlots,  // static per-CPU memory
  FpregsOwner,
  IrqStack,
  ExceptionStacks,
  EntryStack,
  RcuRecords,      // pages
  SchedulerFrame,  // stacks
  KthreadFrame,
  KthreaddStack,
  KhungtaskdStack,
};
struct RuleText {
  Rule rule;
  std::string_view where;
  std::string_view reason;
};
std::span<const RuleText> rules();

// The rules about blocks, for one snapshot.
class BlockRules : public ContentFilter {
 public:
  BlockRules(const Layouts& layouts, const AddressSpace& space)
      : layouts_(layouts), vmalloc_(space.vmalloc), modules_(space.modules), linear_(space.linear_span()) {}

  // All objects of this shape are of the kind that the rule is about, or may be (merged caches).
  void set_shape(u32 shape, Rule rule);
  void add_vm_struct(Addr vm) { vm_structs_.push_back(vm); }
  void add_percpu_chunk(Addr chunk) { percpu_chunks_.push_back(chunk); }
  void add_cache(Addr cache) { caches_.push_back(cache); }
  // Nothing in the block that holds the address counts.
  void add_dead_block(Addr at) { dead_blocks_.push_back(at); }
  void add_sheaf(Addr sheaf) { sheaves_.push_back(sheaf); }
  void add_sheaf_cache(Addr cache) { sheaf_caches_.push_back(cache); }
  // To be called after the last add.
  void sort();

  void non_owning(const Span& span, Addr object, Bytes contents, std::pmr::vector<Extent>& skip) const override;
  bool is_hint(u64 word, Addr at, Bytes following) const override;

 private:
  void skip_sheaf(Bytes contents, std::pmr::vector<Extent>& skip) const;
  void skip_xarray_numbers(Bytes node, std::pmr::vector<Extent>& skip) const;
  bool is_mapped_page(u64 address) const {
    return address % kPageBytes == 0 && (vmalloc_.contains(Addr{address}) || modules_.contains(Addr{address}));
  }

  const Layouts& layouts_;
  Range vmalloc_, modules_, linear_;
  std::vector<std::pair<u32, Rule>> shapes_;
  std::vector<Addr> vm_structs_;
  std::vector<Addr> percpu_chunks_;
  std::vector<Addr> caches_;
  std::vector<Addr> dead_blocks_;
  std::vector<Addr> sheaves_, sheaf_caches_;
};

// Variables of the image that keep what they pointed to last.
std::vector<Addr> stale_variables(const Globals& globals);

// The heads of skbs that the CPU at `cpu_offset` keeps for reuse.
std::vector<Addr> cached_skbs(const KernelMemory& memory, const Layouts& layouts, const Globals& globals, u64 cpu_offset);

// The parts of the static per-CPU area (as cookies) of the CPU at `cpu_offset` that are no roots, ascending.
std::vector<Range> static_percpu_exceptions(const KernelMemory& memory, const Layouts& layouts, const Globals& globals,
                                            u64 cpu_offset);

}  // namespace orphan::kernel
