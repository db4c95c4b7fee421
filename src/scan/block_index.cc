// SPDX-License-Identifier: Apache-2.0
#include "scan/block_index.h"

#include <algorithm>

namespace orphan {

BlockIndex::BlockIndex(const Snapshot& snapshot, Range paged, std::span<const SortedWindow> sorted,
                       std::pmr::memory_resource* resource)
    : snapshot_(snapshot),
      paged_(paged),
      top_(resource),
      leaves_(resource),
      sorted_(resource),
      may_be_(WordFilter::kGranules, resource) {
  constexpr u64 kLeafBytes = u64{1} << (kPageShift + kLeafShift);
  top_.resize((paged.size_bytes + kLeafBytes - 1) / kLeafBytes);
  for (const SortedWindow& window : sorted) {
    sorted_.push_back({window.range, window.exact, std::pmr::vector<u32>(resource)});
  }
  for (u32 i = 0; i < snapshot.spans.size(); ++i) {
    Addr start = snapshot.spans[i].start;
    if (paged_.contains(start)) {
      add_paged(i);
      continue;
    }
    auto window = std::ranges::find_if(sorted_, [&](const Sorted& s) { return s.range.contains(start); });
    VERIFY(window != sorted_.end());
    window->spans.push_back(i);
  }
  for (u64 i = 0; i < top_.size(); ++i) {
    if (top_[i] != 0) admit({paged.start + i * kLeafBytes, kLeafBytes}, kPagedBlocks);
  }
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    Sorted& window = sorted_[i];
    std::ranges::sort(window.spans, {}, [&](u32 span) { return snapshot.spans[span].start; });
    // A window is as large as what is in it.
    Range used{window.range.start, 0};
    if (!window.spans.empty()) {
      const Span& last = snapshot.spans[window.spans.back()];
      used.start = snapshot.spans[window.spans.front()].start;
      used.size_bytes = last.start - used.start + snapshot.size_bytes(last);
    }
    window.range = used;
    u8 what = i < 256U - kFirstWindow ? static_cast<u8>(kFirstWindow + i) : kSeveral;
    for (u32 span : window.spans) admit({snapshot.spans[span].start, snapshot.size_bytes(snapshot.spans[span])}, what);
  }
  admit(snapshot.page_descriptors.range, kDescriptors);
  within_[kPagedBlocks] = paged_;
  within_[kSeveral] = {Addr{}, ~u64{0}};
  within_[kDescriptors] = snapshot.page_descriptors.range;
  for (std::size_t i = 0; i < sorted_.size() && i < 256U - kFirstWindow; ++i) within_[kFirstWindow + i] = sorted_[i].range;
}

WordFilter BlockIndex::filter() const {
  WordFilter filter{.may_be = may_be_.data(), .within = within_.data(), .lowest = lowest_};
  // Where there is no gap in between everything may be there.
  filter.first = low_end_ < high_start_ ? high_start_ : 0;
  filter.size_bytes = low_end_ < high_start_ ? low_end_ - high_start_ : ~u64{0};
  return filter;
}

void BlockIndex::admit(Range range, u8 what) {
  if (range.size_bytes == 0) return;
  lowest_ = std::min(lowest_, std::max<u64>(range.start.value, 1));
  if (range.start.value >> 63 != 0)
    high_start_ = std::min(high_start_, range.start.value);
  else
    low_end_ = std::max(low_end_, (range.end() - 1).value + 1);
  u64 first = range.start.value >> WordFilter::kGranuleShift;
  u64 last = std::min((range.end() - 1).value >> WordFilter::kGranuleShift, first + WordFilter::kGranules - 1);
  for (u64 g = first; g <= last; ++g) {
    u8& entry = may_be_[g & (WordFilter::kGranules - 1)];
    entry = entry == 0 || entry == what ? what : kSeveral;
  }
}

void BlockIndex::add_paged(u32 index) {
  const Span& span = snapshot_.spans[index];
  u64 first = (span.start - paged_.start) >> kPageShift;
  // What follows the last object may lie in a page of another span: SLUB's red zones are before objects, too.
  u64 last = std::min(span.start - paged_.start + snapshot_.contents_bytes(span), paged_.size_bytes) - 1;
  for (u64 page = first; page <= last >> kPageShift; ++page) {
    u32& leaf = top_[page >> kLeafShift];
    if (leaf == 0) {
      leaves_.push_back({});
      leaf = static_cast<u32>(leaves_.size());
    }
    leaves_[leaf - 1].span_plus_one[page & ((1U << kLeafShift) - 1)] = index + 1;
  }
}

std::optional<BlockRef> BlockIndex::find_elsewhere(Addr at) const {
  u8 what = may_be_[WordFilter::granule(at.value)];
  if (what >= kFirstWindow) return find_in(sorted_[what - kFirstWindow], at);
  if (what == kSeveral) {
    for (const Sorted& window : sorted_) {
      if (window.range.contains(at)) return find_in(window, at);
    }
  }
  return snapshot_.page_descriptors.range.contains(at) ? find_by_descriptor(at) : std::nullopt;
}

std::optional<BlockRef> BlockIndex::find_in(const Sorted& window, Addr at) const {
  if (!window.range.contains(at)) return std::nullopt;
  auto span = last_before(window, at);
  auto found = span ? in_span(*span, at) : std::nullopt;
  if (found && window.exact && at - snapshot_.slot_address(snapshot_.spans[found->span], found->slot) > 3) return std::nullopt;
  return found;
}

// An alias stands for an address, so an interior one counts in any window. It never stands for another alias: a damaged
// target could lead round in a circle.
std::optional<BlockRef> BlockIndex::find_aliased(Addr at) const {
  for (const Sorted& window : sorted_) {
    if (!window.range.contains(at)) continue;
    auto span = last_before(window, at);
    if (!span || snapshot_.spans[*span].has(span_flag::kAlias)) return std::nullopt;
    return in_span(*span, at);
  }
  return std::nullopt;
}

// The span in the window with the highest start that is not above `at`.
std::optional<u32> BlockIndex::last_before(const Sorted& window, Addr at) const {
  auto after = std::ranges::upper_bound(window.spans, at, {}, [&](u32 i) { return snapshot_.spans[i].start; });
  if (after == window.spans.begin()) return std::nullopt;
  return *std::prev(after);
}

std::optional<BlockRef> BlockIndex::find_by_descriptor(Addr at) const {
  const PageDescriptors& pages = snapshot_.page_descriptors;
  Addr page = pages.first_page + (at - pages.range.start) / pages.descriptor_bytes * 4096;
  u64 offset = page - paged_.start;
  if (offset >= paged_.size_bytes) return std::nullopt;
  auto found = find_paged(page, offset);
  if (!found || !snapshot_.spans[found->span].has(span_flag::kByPage)) return std::nullopt;
  return found;
}

}  // namespace orphan
