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

void Recheck::find_slabs() {
  u64 last_frame = ~u64{0};
  std::optional<u64> head;
  for (std::size_t i = 0; i < objects_.size(); ++i) {
    u64 frame = (objects_[i] - kernel_.memory.space().linear_map) / kPageBytes;
    if (frame != last_frame) head = head_of(frame);
    last_frame = frame;
    if (!head) continue;
    if (slabs_.empty() || slabs_.back().frame != *head) {
      if (slabs_.size() == kMostSlabs) break;
      slabs_.push_back({*head, i, i});
    }
    slabs_.back().end = i + 1;
  }
  std::ranges::sort(slabs_, {}, &Watched::frame);
  auto repeated = std::ranges::unique(slabs_, {}, &Watched::frame);
  slabs_.erase(repeated.begin(), repeated.end());
}

// The frame of the block's first page: a tail page's descriptor points to the head's.
std::optional<u64> Recheck::head_of(u64 frame) const {
  const AddressSpace& space = kernel_.memory.space();
  const PageLayout& page = kernel_.layouts.page;
  auto link = read_value<u64>(kernel_.memory, space.page_descriptors + frame * page.size_bytes + page.compound_head);
  if (!link) return std::nullopt;
  if ((*link & 1) == 0) return frame;
  // A pointer to the head's descriptor, or since v7.1 the mask that makes a tail's address the head's.
  Addr head{*link - 1};
  Addr tail = space.page_descriptors + frame * page.size_bytes;
  if (head < space.page_descriptors || tail < head) head = Addr{tail.value & *link & ~u64{1}};
  return (head - space.page_descriptors) / page.size_bytes;
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
  for (const Watched& watched : slabs_) {
    if (auto slab = read_head(watched.frame)) map.slabs.push_back(*slab);
  }
  PerCpu percpu;
  percpu.offsets = cpu_offsets_;
  Slub slub = TRY(read_caches(kernel_.memory, kernel_.layouts, kernel_.globals.slub));
  Snapshot snapshot;
  kernel_.cache.clear();
  add_slabs({kernel_.memory, kernel_.cache, kernel_.layouts, map, percpu}, slub, owners_, snapshot);
  // What was in a sheaf a moment ago was free.
  for (BlockRef block : snapshot.root_blocks) snapshot.live.clear(block.slot);
  std::size_t next = 0;
  for (const Watched& watched : slabs_) {
    auto page = std::ranges::lower_bound(map.slabs, watched.frame, {}, &SlabPage::frame);
    u64 slab_bytes = page != map.slabs.end() && page->frame == watched.frame ? kPageBytes << page->order : 0;
    Addr start = kernel_.memory.space().linear(watched.frame * kPageBytes);
    bool is_slab = next < snapshot.spans.size() && snapshot.spans[next].start - start < slab_bytes;
    const Span* span = is_slab ? &snapshot.spans[next++] : nullptr;
    bool is_moving = span != nullptr && span->has(span_flag::kRoot);
    for (std::size_t i = watched.first; i < watched.end; ++i) {
      u64 slot = span == nullptr ? 0 : (objects_[i] - span->start) / snapshot.shape_of(*span).stride_bytes;
      bool is_live = span != nullptr && slot < span->slots && snapshot.live.test(span->first_slot + slot);
      if (!is_live && !is_moving) freed_.insert(objects_[i].value);
      if (is_live || is_moving) allocated_.insert(objects_[i].value);
    }
  }
  return {};
}

Result<void> Recheck::look_at_areas() {
  if (areas_.empty()) return {};
  kernel_.cache.clear();
  PerCpu percpu = TRY(read_percpu(kernel_.memory, kernel_.layouts.percpu, kernel_.globals.percpu));
  if (percpu.unread_chunks != 0) return {};  // what is not known is not free
  for (Addr area : areas_) {
    if (!std::ranges::binary_search(percpu.areas, area, {}, &PerCpuArea::cookie)) freed_.insert(area.value);
  }
  return {};
}

}  // namespace orphan::kernel
