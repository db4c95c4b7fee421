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
  kfence_ = read_kfence(kernel_.memory, kernel_.layouts.origins.kfence, kernel_.globals.kfence);
  auto in_pool = std::ranges::stable_partition(objects_, [&](Addr object) { return !kfence_.pool.contains(object); });
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
      slabs_.push_back({.frame = *head, .first = i, .end = i, .seen = {}, .is_still = false});
    }
    slabs_.back().end = i + 1;
  }
  std::ranges::sort(slabs_, {}, &Watched::frame);
  auto repeated = std::ranges::unique(slabs_, {}, &Watched::frame);
  slabs_.erase(repeated.begin(), repeated.end());
}

void Recheck::look_at_kfence() {
  for (Addr object : kfence_objects_) {
    const KfenceLayout& layout = *kernel_.layouts.origins.kfence;
    auto entry = kfence_entry(kfence_, layout, object);
    auto address = entry ? read_value<u64>(kernel_.memory, *entry + layout.address) : Result<u64>(u64{0});
    auto state = entry ? read_value<u32>(kernel_.memory, *entry + layout.state) : Result<u32>(u32{0});
    if (!address || !state) continue;  // what is not known is not free
    if (*address != object.value || *state != layout.allocated) freed_.insert(object.value);
  }
}

bool Recheck::is_still(const Watched& watched, const SlabPage& now) const {
  if (kernel_.layouts.sheaves || now.frozen || !watched.seen) return false;
  return now.cache == watched.seen->cache && now.counters == watched.seen->counters && now.freelist == watched.seen->freelist;
}

// Those of the slabs as they are first seen: what becomes another cache's slab later is gone.
Result<void> Recheck::read_caches_of(const PageMap& map) {
  Slub all = TRY(read_caches(kernel_.memory, kernel_.layouts, kernel_.globals.slub));
  std::unordered_set<u64> wanted;
  for (const SlabPage& slab : map.slabs) wanted.insert(slab.cache.value);
  caches_.emplace();
  caches_->symbols = all.symbols;
  for (Cache& cache : all.caches) {
    if (!wanted.contains(cache.address.value)) continue;
    caches_->by_address.emplace(cache.address.value, static_cast<u32>(caches_->caches.size()));
    caches_->caches.push_back(std::move(cache));
  }
  return {};
}

Result<void> Recheck::look() {
  TRY(look_at_areas());
  PageMap map;
  for (Watched& watched : slabs_) {
    auto slab = read_slab(kernel_.memory, kernel_.layouts.page, kernel_.layouts.slab, watched.frame);
    watched.is_still = slab && is_still(watched, *slab);
    if (watched.is_still) continue;
    watched.seen = slab;
    if (slab) map.slabs.push_back(*slab);
  }
  if (!caches_) TRY(read_caches_of(map));
  PerCpu percpu;
  percpu.offsets = cpu_offsets_;
  Slub slub = *caches_;
  Snapshot snapshot;
  kernel_.cache.clear();
  look_at_kfence();
  add_slabs({kernel_.memory, kernel_.cache, kernel_.layouts, map, percpu}, slub, owners_, snapshot);
  // What was in a sheaf a moment ago was free.
  for (BlockRef block : snapshot.root_blocks) snapshot.live.clear(block.slot);
  std::size_t next = 0;
  for (Watched& watched : slabs_) {
    if (watched.is_still) continue;
    u64 slab_bytes = watched.seen ? kPageBytes << watched.seen->order : 0;
    Addr start = kernel_.memory.space().linear(watched.frame * kPageBytes);
    bool is_slab = next < snapshot.spans.size() && snapshot.spans[next].start - start < slab_bytes;
    judge(watched, snapshot, is_slab ? &snapshot.spans[next++] : nullptr);
  }
  return {};
}

// `span`: the slab in this look; none: it is gone.
void Recheck::judge(Watched& watched, const Snapshot& snapshot, const Span* span) {
  if (span != nullptr && span->has(span_flag::kRoot)) {  // it did not hold still
    watched.seen.reset();
    for (std::size_t i = watched.first; i < watched.end; ++i) allocated_.insert(objects_[i].value);
    return;
  }
  for (std::size_t i = watched.first; i < watched.end; ++i) {
    u64 slot = span == nullptr ? 0 : (objects_[i] - span->start) / snapshot.shape_of(*span).stride_bytes;
    bool is_live = span != nullptr && slot < span->slots && snapshot.live.test(span->first_slot + slot);
    (is_live ? allocated_ : freed_).insert(objects_[i].value);
  }
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
