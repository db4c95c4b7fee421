// SPDX-License-Identifier: Apache-2.0
#include "kernel/recheck.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

constexpr std::size_t kMostSlabs = 4096;

}  // namespace

Recheck::Recheck(const Kernel& kernel, Owners& owners, std::vector<u64> cpu_offsets, std::vector<Addr> objects)
    : kernel_(kernel), owners_(owners), cpu_offsets_(std::move(cpu_offsets)), objects_(std::move(objects)) {
  std::ranges::sort(objects_);
  find_slabs();
}

// The frames of the slabs' first pages: a tail page's descriptor points to the head's.
void Recheck::find_slabs() {
  const AddressSpace& space = kernel_.memory.space();
  const PageLayout& page = kernel_.layouts.page;
  u64 last_frame = ~u64{0};
  for (Addr object : objects_) {
    u64 frame = (object - space.linear_map) / kPageBytes;
    if (frame == last_frame) continue;
    last_frame = frame;
    auto link = read_value<u64>(kernel_.memory, space.page_descriptors + frame * page.size_bytes + page.compound_head);
    if (!link) continue;
    if ((*link & 1) != 0) frame = (Addr{*link - 1} - space.page_descriptors) / page.size_bytes;
    if (frames_.empty() || frames_.back() != frame) frames_.push_back(frame);
    if (frames_.size() == kMostSlabs) break;
  }
  std::ranges::sort(frames_);
  auto repeated = std::ranges::unique(frames_);
  frames_.erase(repeated.begin(), repeated.end());
}

std::optional<SlabPage> Recheck::read_head(u64 frame) const {
  const PageLayout& page = kernel_.layouts.page;
  std::vector<std::byte> descriptors(2 * u64{page.size_bytes});
  if (!kernel_.memory.read(kernel_.memory.space().page_descriptors + frame * page.size_bytes, descriptors)) return std::nullopt;
  auto slab = decode_slab(descriptors, page, kernel_.layouts.slab);
  if (!slab) return std::nullopt;
  slab->frame = frame;
  slab->order = static_cast<u8>(compound_order(descriptors, page));
  return slab;
}

Result<void> Recheck::look() {
  PageMap map;
  for (u64 frame : frames_) {
    if (auto slab = read_head(frame)) map.slabs.push_back(*slab);
  }
  PerCpu percpu;
  percpu.offsets = cpu_offsets_;
  Slub slub = TRY(read_caches(kernel_.memory, kernel_.layouts.cache, kernel_.globals.slub));
  Snapshot snapshot;
  kernel_.cache.clear();
  add_slabs(kernel_.memory, kernel_.cache, kernel_.layouts, map, percpu, slub, owners_, snapshot);
  std::size_t next = 0;
  for (u64 frame : frames_) {
    Addr start = kernel_.memory.space().linear(frame * kPageBytes);
    bool is_slab = next < snapshot.spans.size() && snapshot.spans[next].start - start < kPageBytes;
    const Span* span = is_slab ? &snapshot.spans[next++] : nullptr;
    u64 bytes = span == nullptr ? kPageBytes : snapshot.size_bytes(*span);
    auto first = std::ranges::lower_bound(objects_, start);
    for (; first != objects_.end() && *first - start < bytes; ++first) {
      if (span != nullptr && span->has(span_flag::kRoot)) continue;  // it did not hold still
      u64 slot = span == nullptr ? 0 : (*first - span->start) / snapshot.shape_of(*span).stride_bytes;
      if (span == nullptr || slot >= span->slots || !snapshot.live.test(span->first_slot + slot)) freed_.insert(first->value);
    }
  }
  return {};
}

}  // namespace orphan::kernel
