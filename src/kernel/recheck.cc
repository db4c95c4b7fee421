// SPDX-License-Identifier: Apache-2.0
#include "kernel/recheck.h"

#include <algorithm>

#include "kernel/slab_pages.h"

namespace orphan::kernel {
namespace {

constexpr std::size_t kMostSlabs = 4096;

}  // namespace

Recheck::Recheck(const Kernel& kernel, Owners& owners, std::vector<u64> cpu_offsets, std::vector<Addr> objects)
    : kernel_(kernel), owners_(owners), cpu_offsets_(std::move(cpu_offsets)), objects_(std::move(objects)) {
  std::ranges::sort(objects_);
  Range pool = read_kfence(kernel_.memory, kernel_.layouts.origins.kfence, kernel_.globals.kfence).pool;
  auto in_pool = std::ranges::stable_partition(objects_, [&](Addr object) { return !pool.contains(object); });
  kfence_objects_.assign(in_pool.begin(), in_pool.end());
  objects_.erase(in_pool.begin(), in_pool.end());
  find_slabs();
}

void Recheck::find_slabs() {
  u64 last_frame = ~u64{0};
  std::optional<u64> head;
  for (std::size_t i = 0; i < objects_.size(); ++i) {
    u64 frame = (objects_[i] - kernel_.memory.space().linear_map) / kPageBytes;
    if (frame != last_frame) head = head_frame(kernel_.memory, kernel_.layouts.page, frame);
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

void Recheck::look_at_kfence() {
  if (kfence_objects_.empty()) return;
  Kfence kfence = read_kfence(kernel_.memory, kernel_.layouts.origins.kfence, kernel_.globals.kfence);
  for (Addr object : kfence_objects_) {
    if (kfence.find(object) == nullptr) freed_.insert(object.value);
  }
}

Result<void> Recheck::look() {
  PageMap map;
  for (const Watched& watched : slabs_) {
    auto slab = read_slab(kernel_.memory, kernel_.layouts.page, kernel_.layouts.slab, watched.frame);
    if (slab) map.slabs.push_back(*slab);
  }
  PerCpu percpu;
  percpu.offsets = cpu_offsets_;
  Slub slub = TRY(read_caches(kernel_.memory, kernel_.layouts, kernel_.globals.slub));
  Snapshot snapshot;
  kernel_.cache.clear();
  look_at_kfence();
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
    if (span != nullptr && span->has(span_flag::kRoot)) continue;  // it did not hold still
    for (std::size_t i = watched.first; i < watched.end; ++i) {
      u64 slot = span == nullptr ? 0 : (objects_[i] - span->start) / snapshot.shape_of(*span).stride_bytes;
      bool is_live = span != nullptr && slot < span->slots && snapshot.live.test(span->first_slot + slot);
      if (!is_live) freed_.insert(objects_[i].value);
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
