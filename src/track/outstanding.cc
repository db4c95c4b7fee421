// SPDX-License-Identifier: Apache-2.0
#include "track/outstanding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <tuple>

#include "kernel/evidence.h"

namespace orphan::track {
namespace {

struct Whose {
  BlockKind kind;
  std::string cache;
  u64 bytes;  // of a block
};

Whose whose(const orphan_record& record, const Tracker& tracker) {
  switch (record.kind) {
    case ORPHAN_KMALLOC:
      return record.size > ORPHAN_MOST_SLOT ? Whose{BlockKind::LargeKmalloc, "large kmalloc", record.size}
                                            : Whose{BlockKind::Slab, "kmalloc", record.size};
    case ORPHAN_VMALLOC: return {BlockKind::Vmalloc, "vmalloc", record.size};
    case ORPHAN_PERCPU: return {BlockKind::PerCpu, "per-cpu", record.size};
    case ORPHAN_PAGES: return {BlockKind::Pages, "pages", record.size};
    default: break;
  }
  const orphan_cache* cache = tracker.cache(record.size);
  if (cache == nullptr) return {BlockKind::Slab, "a cache", 0};
  return {BlockKind::Slab, std::string(cache->name, ::strnlen(cache->name, sizeof cache->name)), cache->slot_bytes};
}

}  // namespace

u32 ticks_a_second(const Moment& from, const Moment& to) {
  double measured =
      to.ns > from.ns ? static_cast<double>(to.jiffies - from.jiffies) * 1e9 / static_cast<double>(to.ns - from.ns) : 0;
  constexpr std::array<u32, 4> kThereAre{100, 250, 300, 1000};
  return *std::ranges::min_element(kThereAre, {}, [&](u32 ticks) { return std::fabs(measured - ticks) / ticks; });
}

std::vector<Leak> outstanding_groups(const OutstandingInput& input) {
  std::map<std::tuple<BlockKind, std::string, u64, std::vector<Addr>>, Leak> groups;
  for (const orphan_record& record : input.tracker.records().all()) {
    double age_s = (static_cast<double>(input.end.jiffies) - static_cast<double>(record.jiffies)) / input.ticks;
    if (age_s < input.min_age_s) continue;
    age_s = std::max(age_s, 0.0);
    kernel::AllocationRecord allocation = input.tracker.records().allocation(record);
    Whose owner = whose(record, input.tracker);
    Leak& group = groups[{owner.kind, owner.cache, owner.bytes, allocation.stack}];
    if (group.total.count == 0) {
      group.kind = owner.kind;
      group.cache = owner.cache;
      group.object_size_bytes = owner.bytes;
      group.was_seen = true;
      group.stack = kernel::to_frames(allocation.stack, input.symbols);
      group.times = AllocationTimes{.count = 0, .first_s = age_s, .last_s = age_s};
    }
    group.total += {1, owner.bytes};
    group.inferred_stacks += allocation.is_stack_inferred;
    ++group.times->count;
    group.times->first_s = std::max(group.times->first_s, age_s);
    group.times->last_s = std::min(group.times->last_s, age_s);
    count_one(allocation.comm, group.comms);
  }
  std::vector<Leak> result;
  for (auto& [key, group] : groups) result.push_back(std::move(group));
  std::ranges::stable_sort(result, std::greater<>(),
                           [](const Leak& group) { return std::pair(group.total.bytes, group.total.count); });
  return result;
}

}  // namespace orphan::track
