// SPDX-License-Identifier: Apache-2.0
#include "kernel/weak_blocks.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

constexpr std::size_t kMostOfOne = 16;  // references to one block that are kept

}  // namespace

WeakSpace weak_space(const AddressSpace& space) {
  Range linear = space.linear_span();
  return {
      .paged = linear, .physical_start = linear.start - space.linear_map, .address_bits = space.format.levels == 5 ? 57U : 48U};
}

Result<void> WeakFinder::search(const Confirmation& confirmation, const std::function<bool()>& keep_going) {
  candidates_.resize(look_.snapshot.live.size());
  confirmation.for_each([&](const Confirmation::Candidate& candidate) { candidates_.set(candidate.slot); });
  WeakSearch search{.space = weak_space(memory_.space()),
                    .targets = &candidates_,
                    .sources = &marked_.reached,
                    .keep_going = keep_going,
                    .are_pages = are_pages_};
  return find_weak_references(look_.snapshot, *look_.index, memory_, search, [&](const WeakReference& found) {
    if (found_.count(found.to.slot) < kMostOfOne) found_.emplace(found.to.slot, found);
  });
}

Result<WeakBlocks> WeakFinder::finish() {
  WeakBlocks result;
  for (const auto& [slot, reference] : found_) {
    auto word = reference.at ? read_value<u64>(memory_, reference.at) : Result<u64>(reference.word);
    if (word && *word == reference.word) result.references.try_emplace(slot, reference);
  }
  if (result.references.empty()) return result;
  BitVector seeds;
  seeds.resize(candidates_.size());
  for (const auto& [slot, reference] : result.references) seeds.set(slot);
  BitVector before = marked_.reached;
  TRY(mark_from(seeds, look_.snapshot, *look_.index, memory_, marked_));
  result.slots = std::move(seeds);
  candidates_.for_each(0, candidates_.size(), [&](u64 slot) {
    if (marked_.reached.test(slot) && !before.test(slot)) result.slots.set(slot);
  });
  return result;
}

}  // namespace orphan::kernel
