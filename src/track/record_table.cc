// SPDX-License-Identifier: Apache-2.0
#include "track/record_table.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace orphan::track {
namespace {

constexpr u64 kLargestInSlab = 8192;  // KMALLOC_MAX_CACHE_SIZE

// Whether the allocation that was noted can have made a block like this. `size_bytes` is that of the block.
bool fits(const orphan_record& record, const kernel::Owner& owner, u64 size_bytes) {
  switch (owner.kind) {
    case BlockKind::Slab:
      if (record.kind == ORPHAN_KMALLOC) return record.size <= size_bytes && record.size <= kLargestInSlab;
      return record.kind == ORPHAN_CACHE && (record.size == 0 || record.size == static_cast<u32>(owner.cache.value));
    case BlockKind::LargeKmalloc:
    case BlockKind::Pages:
      return (record.kind == ORPHAN_KMALLOC && record.size > kLargestInSlab && record.size <= size_bytes) ||
             (record.kind == ORPHAN_PAGES && record.size <= size_bytes);
    case BlockKind::Vmalloc: return record.kind == ORPHAN_VMALLOC;
    case BlockKind::PerCpu: return record.kind == ORPHAN_PERCPU && record.size <= size_bytes;
    case BlockKind::Unknown: break;
  }
  return false;
}

std::string_view name_of(u8 context) {
  switch (context) {
    case ORPHAN_SOFTIRQ: return "softirq";
    case ORPHAN_HARDIRQ: return "hardirq";
    default: return {};
  }
}

template <typename F>
void for_each_record(std::span<const orphan_bucket> buckets, F&& f) {
  for (const orphan_bucket& bucket : buckets) {
    for (const orphan_record& record : bucket.places) {
      if (record.key != 0) f(record);
    }
  }
}

}  // namespace

std::optional<kernel::AllocationRecord> RecordTable::of(const kernel::Owner& owner, Addr block, u64 size_bytes) const {
  const orphan_bucket& bucket = buckets_[orphan_bucket_of(block.value, buckets_.size() - 1)];
  const auto* found_at = std::ranges::find(bucket.places, ~block.value, &orphan_record::key);
  if (found_at == std::end(bucket.places)) return std::nullopt;
  // The place may be taken by another note at this moment.
  orphan_record record = *found_at;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (found_at->key != record.key || !fits(record, owner, size_bytes)) return std::nullopt;
  return allocation(record);
}

kernel::AllocationRecord RecordTable::allocation(const orphan_record& record) const {
  kernel::AllocationRecord found{.jiffies = record.jiffies, .pid = record.pid, .comm = {}, .stack = {}};
  add_stack(record, found);
  // In an interrupt the task is whoever it came upon.
  if (auto name = name_of(record.context); !name.empty()) {
    found.pid = 0;
    found.comm = name;
  } else {
    found.comm.assign(record.comm, ::strnlen(record.comm, sizeof(record.comm)));
  }
  return found;
}

std::vector<orphan_record> RecordTable::all() const {
  std::vector<orphan_record> records;
  for_each_record(buckets_, [&](const orphan_record& record) { records.push_back(record); });
  return records;
}

std::span<const orphan_u64> RecordTable::frames_of(u32 place_plus_one, u32 check) const {
  if (place_plus_one == 0 || place_plus_one > stacks_.size()) return {};
  const orphan_stack& stack = stacks_[place_plus_one - 1];
  if (static_cast<u32>(stack.hash) != check || stack.count > ORPHAN_FRAMES) return {};
  return orphan_hash_frames(stack.frames, stack.count) == stack.hash ? std::span(stack.frames).first(stack.count)
                                                                     : std::span<const orphan_u64>();
}

void RecordTable::add_stack(const orphan_record& record, kernel::AllocationRecord& to) const {
  std::span<const orphan_u64> frames = frames_of(record.stack, record.stack_check);
  for (u64 key : {orphan_way_key(record.site, record.depth, record.size), u64{record.site}}) {
    if (!frames.empty() || record.site == 0) break;
    auto only = only_stack_.find(key);
    if (only == only_stack_.end() || only->second == 0) continue;
    frames = frames_of(only->second, static_cast<u32>(stacks_[only->second - 1].hash));
    to.is_stack_inferred = !frames.empty();
  }
  // What is above the call site is the allocator itself.
  auto site = std::ranges::find(frames, record.site);
  if (site != frames.end()) frames = frames.subspan(static_cast<std::size_t>(site - frames.begin()));
  for (u64 frame : frames) to.stack.push_back(Addr{frame});
  if (to.stack.empty() && record.site != 0) to.stack.push_back(Addr{record.site});
}

void RecordTable::learn_sites() {
  only_stack_.clear();
  for_each_record(buckets_, [&](const orphan_record& record) {
    if (record.site == 0 || frames_of(record.stack, record.stack_check).empty()) return;
    for (u64 key : {orphan_way_key(record.site, record.depth, record.size), u64{record.site}}) {
      auto [known, is_new] = only_stack_.try_emplace(key, record.stack);
      if (!is_new && known->second != record.stack) known->second = 0;
    }
  });
}

std::vector<u32> RecordTable::unused_stacks() const {
  std::vector<bool> used(stacks_.size());
  for_each_record(buckets_, [&](const orphan_record& record) {
    if (record.stack != 0 && record.stack <= used.size()) used[record.stack - 1] = true;
  });
  std::vector<u32> unused;
  for (u32 i = 0; i < stacks_.size(); ++i) {
    if (!used[i] && stacks_[i].hash != 0) unused.push_back(i);
  }
  return unused;
}

}  // namespace orphan::track
