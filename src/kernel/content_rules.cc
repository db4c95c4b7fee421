// SPDX-License-Identifier: Apache-2.0
#include "kernel/content_rules.h"

#include <algorithm>
#include <array>

#include "kernel/sheaves.h"

namespace orphan::kernel {
namespace {

constexpr std::array<RuleText, 22> kRules{{
    {Rule::VmapAreaBounds, "struct vmap_area: va_start, va_end and vm",
     "the allocator's own record of every area; free and lazily freed neighbours end where a used one begins"},
    {Rule::VmStructAddr, "struct vm_struct: next and addr",
     "the allocator's own record of every area; whoever keeps the vm_struct instead of the address keeps the area (forwarded)"},
    {Rule::PerCpuChunkBase, "struct pcpu_chunk: base_addr",
     "the allocator's own record of a chunk; it is the address of the chunk's first area, too"},
    {Rule::CacheFlags, "struct kmem_cache: flags", "a sum of bits, which coincides with cookies of per-CPU areas"},
    {Rule::TaskState, "struct task_struct: links of the scheduler's queues; last_wakee; the floating point state to the end",
     "queues do not own tasks, and links of a task that sleeps are stale, as is who was woken last; the registers are user "
     "space's, and ours held "
     "addresses that we had just looked at"},
    {Rule::XarrayNumbers, "struct xa_node: counters, marks and value entries",
     "numbers, not pointers: small ones coincide with cookies of per-CPU areas"},
    {Rule::RwsemReader, "struct rw_semaphore: owner, marked as a reader's",
     "the last reader's task, kept for debugging when it has long let go; the task may be gone"},
    {Rule::StaleVariable, "ext4_lazyinit_task", "the thread that initialised the inode tables last, and has ended"},
    {Rule::BounceBuffer, "the page through which an open /proc/kcore copies", "a copy of whatever we read last"},
    {Rule::SheafSlots, "struct slab_sheaf: all but its links",
     "allocator metadata: its first slots hold free objects, the others keep pointing to objects that were handed out"},
    {Rule::CpuSlab, "struct kmem_cache_cpu", "allocator metadata: its freelist points to free objects"},
    {Rule::NapiFreeSkbs, "struct sk_buff: one that napi_alloc_cache keeps for reuse",
     "it was freed with its pointers to data, which may be in use again, and leaked"},
    {Rule::NapiStaleSlots, "napi_alloc_cache.skb_cache beyond skb_count",
     "the slots keep pointing to skb heads that were handed out, also to leaked ones"},
    {Rule::FpregsOwner, "fpu_fpregs_owner_ctx",
     "the task whose floating point state a CPU had last; one that moved on to another CPU and ended there is not forgotten "
     "here"},
    {Rule::IrqStack, "irq_stack_backing_store", "a stack that nothing runs on while we read: dead frames"},
    {Rule::ExceptionStacks, "exception_stacks", "stacks that nothing runs on while we read: dead frames"},
    {Rule::EntryStack, "entry_stack_storage",
     "what the last interrupt of a user program saved: registers of user space, ours among them"},
    {Rule::RcuRecords, "struct kvfree_rcu_bulk_data: records beyond the count, all of a page kept for reuse",
     "what was freed by kfree_rcu() may be in use again, and leaked"},
    {Rule::SchedulerFrame, "a sleeping task's stack: the frame of __schedule()",
     "its variables: the task that was switched to may be gone"},
    {Rule::KthreadFrame, "a kernel thread's stack: the frames of kthread() and ret_from_fork()",
     "they point to the kthread_create_info that is freed before the thread's function runs"},
    {Rule::KthreaddStack, "the stack of kthreadd", "its variables point to the last request, which its author has freed"},
    {Rule::KhungtaskdStack, "the stack of khungtaskd",
     "its variables point to the tasks that it looked at last, which may be gone"},
}};

u64 napi_slots(const NapiCacheLayout& napi) {
  return (napi.size_bytes - napi.slots) / 8;
}

}  // namespace

std::span<const RuleText> rules() {
  return kRules;
}

void BlockRules::set_shape(u32 shape, Rule rule) {
  if (std::ranges::find(shapes_, std::pair(shape, rule)) == shapes_.end()) shapes_.emplace_back(shape, rule);
}

void BlockRules::sort() {
  std::ranges::sort(vm_structs_);
  std::ranges::sort(percpu_chunks_);
  std::ranges::sort(caches_);
  std::ranges::sort(dead_blocks_);
  std::ranges::sort(sheaves_);
  std::ranges::sort(sheaf_caches_);
}

void BlockRules::non_owning(const Span& span, Addr object, Bytes contents, std::pmr::vector<Extent>& skip) const {
  auto dead = std::ranges::lower_bound(dead_blocks_, object);
  if (dead != dead_blocks_.end() && *dead - object < contents.size()) {
    skip.push_back({0, contents.size()});
    return;
  }
  if (std::ranges::binary_search(sheaves_, object)) return skip_sheaf(contents, skip);
  for (auto [shape, rule] : shapes_) {
    if (shape != span.shape) continue;
    if (rule == Rule::SheafSlots) {
      if (!is_sheaf(contents, *layouts_.sheaves, sheaf_caches_, linear_)) continue;
      return skip_sheaf(contents, skip);
    }
    if (rule == Rule::TaskState && layouts_.task.fpu < contents.size()) {
      for (auto [offset, size] : layouts_.task.scheduler_links) skip.push_back({offset, size});
      skip.push_back({layouts_.task.fpu, contents.size() - layouts_.task.fpu});
      return;
    }
    if (rule == Rule::XarrayNumbers) {
      skip_xarray_numbers(contents, skip);
      return;
    }
    const VmallocLayout& v = layouts_.vmalloc;
    if (rule == Rule::VmapAreaBounds && contents.size() >= v.area_bytes) {
      // The cache may be merged with others: only what has the bounds of an area is taken for one.
      u64 start = load_unchecked<u64>(contents.data() + v.va_start);
      u64 end = load_unchecked<u64>(contents.data() + v.va_end);
      if (start < end && is_mapped_page(start) && is_mapped_page(end - kPageBytes)) {
        skip.push_back({v.va_start, 16});
        // An area that is freed lazily keeps its vm_struct's address there; or the link of a list (up to 5.11).
        Addr vm{load_unchecked<u64>(contents.data() + v.area_vm)};
        if (!v.has_purge_list || std::ranges::binary_search(vm_structs_, vm)) skip.push_back({v.area_vm, 8});
        return;
      }
    }
  }
  if (std::ranges::binary_search(vm_structs_, object)) skip.push_back({0, layouts_.vmalloc.vm_addr + u64{8}});
  if (std::ranges::binary_search(caches_, object)) skip.push_back({align_down(layouts_.cache.flags, 8), 8});
  if (std::ranges::binary_search(percpu_chunks_, object)) skip.push_back({layouts_.percpu.base_addr, 8});
}

// An idle one: nobody waits, so the list of waiters points to itself. Its address may be an alias of that which we read at: only
// the place in the page is the same.
bool BlockRules::is_hint(u64 word, Addr at, Bytes following) const {
  constexpr u64 kReaderOwned = 1;  // RWSEM_READER_OWNED, since v5.2 (94a9717b3c40)
  if ((word & kReaderOwned) == 0 || !layouts_.rwsem) return false;
  const RwsemLayout& rwsem = *layouts_.rwsem;
  u64 list = u64{rwsem.wait_list} - rwsem.owner;
  auto next = load<u64>(following, list - 8);
  auto previous = load<u64>(following, list);
  if (!next || !previous || *next != *previous || (*next - (at.value + list)) % kPageBytes != 0) return false;
  // What stands between, the queue of spinners and the lock, is idle too.
  for (u64 offset = 0; offset + 8 < list; offset += 8) {
    if (load_unchecked<u64>(following.data() + offset) != 0) return false;
  }
  return static_cast<i64>(*next) < 0;
}

void BlockRules::skip_sheaf(Bytes contents, std::pmr::vector<Extent>& skip) const {
  // Its links, of a barn's list or of RCU's callbacks: two words.
  u64 links = std::min<u64>(layouts_.sheaves->links, contents.size());
  u64 after = std::min<u64>(links + 16, contents.size());
  skip.push_back({0, links});
  skip.push_back({after, contents.size() - after});
}

void BlockRules::skip_xarray_numbers(Bytes node, std::pmr::vector<Extent>& skip) const {
  const XarrayLayout& layout = *layouts_.xarray;
  skip.push_back({0, 8});  // shift, offset, counts
  for (u64 at = 8; at + 8 <= node.size(); at += 8) {
    u64 word = load_unchecked<u64>(node.data() + at);
    bool is_value = (word & 1) != 0 && static_cast<i64>(word) > 0;  // xa_mk_value()
    if (is_value || at - layout.marks < layout.marks_bytes) skip.push_back({at, 8});
  }
}

std::vector<Addr> stale_variables(const Globals& globals) {
  std::vector<Addr> variables;
  if (globals.ext4_lazyinit_task) variables.push_back(*globals.ext4_lazyinit_task);
  return variables;
}

std::vector<Addr> cached_skbs(const KernelMemory& memory, const Layouts& layouts, const Globals& globals, u64 cpu_offset) {
  if (!globals.napi_alloc_cache || !layouts.napi_cache) return {};
  const NapiCacheLayout& napi = *layouts.napi_cache;
  std::vector<std::byte> cache(napi.size_bytes);
  if (!memory.read(*globals.napi_alloc_cache + cpu_offset, cache)) return {};
  u64 count = std::min<u64>(load_unchecked<u32>(cache.data() + napi.count), napi_slots(napi));
  std::vector<Addr> skbs;
  for (u64 i = 0; i < count; ++i) skbs.push_back(Addr{load_unchecked<u64>(cache.data() + napi.slots + i * 8)});
  return skbs;
}

std::vector<Range> static_percpu_exceptions(const KernelMemory& memory, const Layouts& layouts, const Globals& globals,
                                            u64 cpu_offset) {
  std::vector<Range> ranges;
  if (globals.irq_stack_backing_store && layouts.irq_stack_bytes) {
    ranges.push_back({*globals.irq_stack_backing_store, *layouts.irq_stack_bytes});
  }
  if (globals.exception_stacks && layouts.exception_stacks_bytes) {
    ranges.push_back({*globals.exception_stacks, *layouts.exception_stacks_bytes});
  }
  if (globals.entry_stack_storage && layouts.entry_stack_bytes) {
    ranges.push_back({*globals.entry_stack_storage, *layouts.entry_stack_bytes});
  }
  if (globals.fpregs_owner) ranges.push_back({*globals.fpregs_owner, 8});
  if (globals.napi_alloc_cache && layouts.napi_cache) {
    const NapiCacheLayout& napi = *layouts.napi_cache;
    u64 room = napi_slots(napi);
    auto count = read_value<u32>(memory, *globals.napi_alloc_cache + cpu_offset + napi.count);
    u64 used = count ? std::min<u64>(*count, room) : room;
    ranges.push_back({*globals.napi_alloc_cache + napi.slots + used * 8, (room - used) * 8});
  }
  std::erase_if(ranges, [](Range range) { return range.size_bytes == 0; });
  std::ranges::sort(ranges);
  return ranges;
}

}  // namespace orphan::kernel
