// SPDX-License-Identifier: Apache-2.0
// A heap that a test writes: blocks in a linear map (paged) and in vmalloc space (sorted), small integers that stand for
// per-CPU memory (exact), and memory for roots. For tests only.
#pragma once
#include <initializer_list>

#include "memory/fake_memory.h"
#include "scan/mark.h"

namespace orphan {

struct FakeHeap {
  static constexpr Range kLinear{Addr{0xffff'8880'0000'0000}, 16 << 20};
  static constexpr Range kVmalloc{Addr{0xffff'c900'0000'0000}, 16 << 20};
  static constexpr Range kCookies{Addr{0x10'0000}, 0x10'0000};
  static constexpr Range kRoots{Addr{0xffff'ffff'8000'0000}, 1 << 20};
  static constexpr Range kDescriptors{Addr{0xffff'ea00'0000'0000}, kLinear.size_bytes / 4096 * 64};

  explicit FakeHeap(std::pmr::memory_resource* resource = std::pmr::get_default_resource())
      : snapshot(resource), resource_(resource) {
    memory.map(kRoots);
  }

  // A span of `slots` blocks, all of them live, with memory behind it. The number of its first slot.
  u64 add_slab(Addr start, u32 slots, u64 stride_bytes, u64 object_bytes, u8 flags = 0) {
    u32 shape = snapshot.add_shape(stride_bytes, object_bytes, 0);
    u32 index = snapshot.add_span(start, slots, shape, flags);
    const Span& span = snapshot.spans[index];
    snapshot.live.set_range(span.first_slot, slots);
    if ((flags & span_flag::kReplicated) == 0) memory.map({start, snapshot.size_bytes(span)});
    return span.first_slot;
  }
  u64 add_block(Addr start, u64 size_bytes, u8 flags = 0) { return add_slab(start, 1, size_bytes, size_bytes, flags); }

  // A word at `at` that refers to `to`.
  void point(Addr at, Addr to) { memory.put(at, to.value); }
  void add_root(Range range, RootKind kind = RootKind::Image) { snapshot.roots.push_back({range, kind}); }
  // The next free word of the roots, which refers to `to`.
  void add_root_to(Addr to) {
    Addr at = kRoots.start + 8 * roots_++;
    point(at, to);
    add_root({at, 8});
  }

  BlockRef block(u64 slot) const {
    for (u32 i = 0; i < snapshot.spans.size(); ++i) {
      const Span& span = snapshot.spans[i];
      if (!span.has(span_flag::kAlias) && slot - span.first_slot < span.slots) return {i, slot};
    }
    bug("no such slot");
  }
  void forward(u64 from, u64 to) { snapshot.forwards.push_back({from, block(to)}); }

  BlockIndex index() const {
    std::array<SortedWindow, 2> windows{{{kVmalloc, false}, {kCookies, true}}};
    return BlockIndex(snapshot, kLinear, windows, resource_);
  }
  MarkResult mark() const {
    auto result = orphan::mark(snapshot, index(), memory, {.resource = resource_, .keep_going = {}});
    VERIFY(bool(result));
    return std::move(*result);
  }
  bool is_reached(u64 slot) const { return mark().reached.test(slot); }

  FakeMemory memory;
  Snapshot snapshot;

 private:
  std::pmr::memory_resource* resource_;
  u64 roots_ = 0;
};

}  // namespace orphan
