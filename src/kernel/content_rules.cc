// SPDX-License-Identifier: Apache-2.0
#include "kernel/content_rules.h"

#include <algorithm>
#include <array>

namespace orphan::kernel {
namespace {

constexpr std::array<RuleText, 8> kRules{{
    {Rule::VmapAreaBounds, "struct vmap_area: va_start, va_end and vm",
     "the allocator's own record of every area; free and lazily freed neighbours end where a used one begins"},
    {Rule::VmStructAddr, "struct vm_struct: next and addr",
     "the allocator's own record of every area; whoever keeps the vm_struct instead of the address keeps the area (forwarded)"},
    {Rule::TaskFpu, "struct task_struct: the floating point state to the end",
     "registers of user space; ours held addresses that we had just looked at"},
    {Rule::BounceBuffer, "the page through which an open /proc/kcore copies", "a copy of whatever we read last"},
    {Rule::CpuSlab, "struct kmem_cache_cpu", "allocator metadata: its freelist points to free objects"},
    {Rule::NapiStaleSlots, "napi_alloc_cache.skb_cache beyond skb_count",
     "the slots keep pointing to skb heads that were handed out, also to leaked ones"},
    {Rule::IrqStack, "irq_stack_backing_store", "a stack that nothing runs on while we read: dead frames"},
    {Rule::ExceptionStacks, "exception_stacks", "stacks that nothing runs on while we read: dead frames"},
}};

}  // namespace

std::span<const RuleText> rules() {
  return kRules;
}

void BlockRules::set_shape(u32 shape, Rule rule) {
  if (std::ranges::find(shapes_, std::pair(shape, rule)) == shapes_.end()) shapes_.emplace_back(shape, rule);
}

void BlockRules::sort() {
  std::ranges::sort(vm_structs_);
  std::ranges::sort(bounce_buffers_);
}

void BlockRules::non_owning(const Span& span, Addr object, Bytes contents, std::pmr::vector<Extent>& skip) const {
  auto bounce = std::ranges::lower_bound(bounce_buffers_, object);
  if (bounce != bounce_buffers_.end() && *bounce - object < contents.size()) {
    skip.push_back({0, contents.size()});
    return;
  }
  for (auto [shape, rule] : shapes_) {
    if (shape != span.shape) continue;
    if (rule == Rule::TaskFpu && layouts_.task.fpu < contents.size()) {
      skip.push_back({layouts_.task.fpu, contents.size() - layouts_.task.fpu});
      return;
    }
    const VmallocLayout& v = layouts_.vmalloc;
    if (rule == Rule::VmapAreaBounds && contents.size() >= v.area_bytes) {
      // The cache may be merged with others: only what has the bounds of an area is taken for one.
      u64 start = load_unchecked<u64>(contents.data() + v.va_start);
      u64 end = load_unchecked<u64>(contents.data() + v.va_end);
      if (start < end && is_mapped_page(start) && is_mapped_page(end - kPageBytes)) {
        skip.push_back({v.va_start, 16});
        skip.push_back({v.area_vm, 8});
        return;
      }
    }
  }
  if (std::ranges::binary_search(vm_structs_, object)) skip.push_back({0, layouts_.vmalloc.vm_addr + u64{8}});
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
  if (globals.napi_alloc_cache && layouts.napi_cache) {
    const NapiCacheLayout& napi = *layouts.napi_cache;
    u64 room = (napi.size_bytes - napi.slots) / 8;
    auto count = read_value<u32>(memory, *globals.napi_alloc_cache + cpu_offset + napi.count);
    u64 used = count ? std::min<u64>(*count, room) : room;
    ranges.push_back({*globals.napi_alloc_cache + napi.slots + used * 8, (room - used) * 8});
  }
  std::erase_if(ranges, [](Range range) { return range.size_bytes == 0; });
  std::ranges::sort(ranges);
  return ranges;
}

}  // namespace orphan::kernel
