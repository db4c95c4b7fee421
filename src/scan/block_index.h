// SPDX-License-Identifier: Apache-2.0
// Which block holds an address? The question that marking asks of every word it reads.
//
// Two kinds of windows of the address space. A *paged* window (the linear map of all memory) has a two-level table with one
// entry a page: page -> span, then the slot by arithmetic. A *sorted* window (vmalloc space, per-CPU cookies), sparse and
// with few blocks, is searched by bisection.
#pragma once
#include <array>
#include <memory>
#include <optional>

#include "scan/snapshot.h"

namespace orphan {

// A sorted window. With `exact` only the start of a block refers to it, the two low bits aside (flags of percpu_ref and its
// like): for values that are small integers, where an interior match would be an accident.
struct SortedWindow {
  Range range;
  bool exact = false;
};

// Tells at once of most words that they refer to no block. A plain value, to be kept in registers where words are looked at;
// valid as long as its index.
struct WordFilter {
  // Granules of the address space that have blocks (or their descriptors), folded to a table. Of 1 GiB: Linux has its text and
  // its modules in neighbouring ones, and pointers to the former are everywhere.
  static constexpr u64 kGranuleShift = 30;
  static constexpr u64 kGranules = 1 << 16;
  static u64 granule(u64 word) { return word >> kGranuleShift & (kGranules - 1); }

  const u8* may_be = nullptr;     // by granule; 0: nothing
  const Range* within = nullptr;  // by what may be there
  u64 lowest = 0;                 // nothing is below; 1 at least: 0 never passes
  // All there is, as one range, which may go through the end of the address space to its start. Most words that are no address,
  // text and numbers, are outside: what there is lies at the two ends.
  u64 first = 0, size_bytes = 0;

  bool may_pass(u64 word) const { return word >= lowest && word - first < size_bytes; }
  bool passes(u64 word) const {
    if (!may_pass(word)) return false;
    u8 what = may_be[granule(word)];
    return what != 0 && within[what].contains(Addr{word});
  }
};

class BlockIndex {
 public:
  // Indexes every span of `snapshot`, which must outlive this and stay as it is. Spans within `paged` must not share pages;
  // those elsewhere must lie in one of the sorted windows.
  BlockIndex(const Snapshot& snapshot, Range paged, std::span<const SortedWindow> sorted, std::pmr::memory_resource* resource);

  // The block that `word`, taken as a reference, refers to; whether it is live is not asked. Interior addresses count, one
  // past the end does not.
  [[gnu::always_inline]] std::optional<BlockRef> find(u64 word) const {
    u64 offset = word - paged_.start.value;
    if (offset < paged_.size_bytes) return find_paged(Addr{word}, offset);
    if (!filter().passes(word)) return std::nullopt;
    return find_elsewhere(Addr{word});
  }
  // The paged window.
  Range paged() const { return paged_; }
  WordFilter filter() const;
  const Snapshot& snapshot() const { return snapshot_; }

 private:
  static constexpr u64 kPageShift = 12;
  static constexpr u64 kLeafShift = 9;  // pages in a leaf: 2 MiB

  struct Leaf {
    u32 span_plus_one[1 << kLeafShift];
  };
  struct Sorted {
    Range range;
    bool exact;
    std::pmr::vector<u32> spans;  // by start
  };

  std::optional<BlockRef> find_paged(Addr at, u64 offset) const {
    u32 leaf = top_[offset >> (kPageShift + kLeafShift)];
    if (leaf == 0) return std::nullopt;
    u32 entry = leaves_[leaf - 1].span_plus_one[offset >> kPageShift & ((1U << kLeafShift) - 1)];
    if (entry == 0) return std::nullopt;
    return in_span(entry - 1, at);
  }
  std::optional<BlockRef> in_span(u32 index, Addr at) const {
    const Span& span = snapshot_.spans[index];
    const Shape& shape = snapshot_.shapes[span.shape];
    u64 offset = at - span.start;
    if (span.slots == 1) {
      if (offset >= shape.object_bytes) return std::nullopt;
      if (span.has(span_flag::kAlias)) return find_aliased(span.target() + offset);
      return BlockRef{index, span.first_slot};
    }
    __extension__ using u128 = unsigned __int128;
    u64 slot = static_cast<u64>(u128{offset} * shape.reciprocal >> 64);
    if (slot >= span.slots || offset - slot * shape.stride_bytes >= shape.object_bytes) return std::nullopt;
    return BlockRef{index, span.first_slot + slot};
  }
  // What a granule has. From kFirstWindow on: the sorted window with that number, and nothing else.
  static constexpr u8 kPagedBlocks = 1, kSeveral = 2, kDescriptors = 3, kFirstWindow = 4;

  std::optional<BlockRef> find_elsewhere(Addr at) const;
  std::optional<BlockRef> find_in(const Sorted& window, Addr at) const;
  std::optional<BlockRef> find_aliased(Addr at) const;
  std::optional<u32> last_before(const Sorted& window, Addr at) const;
  std::optional<BlockRef> find_by_descriptor(Addr at) const;
  void add_paged(u32 index);
  void admit(Range range, u8 what);

  const Snapshot& snapshot_;
  Range paged_;
  u64 lowest_ = ~u64{0};       // no block or descriptor is below
  u64 low_end_ = 0;            // nor from here on in the lower half of the address space
  u64 high_start_ = ~u64{0};   // nor below this in the upper one
  std::pmr::vector<u32> top_;  // leaf number + 1
  std::pmr::vector<Leaf> leaves_;
  std::pmr::vector<Sorted> sorted_;
  std::pmr::vector<u8> may_be_;      // see WordFilter
  std::array<Range, 256> within_{};  // the same
};

}  // namespace orphan
