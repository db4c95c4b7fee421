// SPDX-License-Identifier: Apache-2.0
// Reads the words of roots and of blocks, in big pieces, and hands those that a filter lets pass to a visitor. What is common to
// marking and to looking for references.
#pragma once
#include <algorithm>

#include "memory/foresight.h"
#include "scan/block_index.h"

namespace orphan {

// A word of memory, where it stands, and what was read with it: nothing, when it was found otherwise.
struct WordRead {
  u64 word = 0;
  Addr at;
  Bytes before, following;
};

// `Visitor` is called with a WordRead for each word that passes the filter, a plain value with `bool passes(u64 word) const`. It
// is not asked about four words that are all 0. NotMapped is counted in unread_bytes(), any other error is returned.
template <typename Visitor, typename Filter = WordFilter>
class ContentScanner {
 public:
  ContentScanner(const Snapshot& snapshot, const Memory& memory, Filter filter, Visitor visitor,
                 std::pmr::memory_resource* resource)
      : snapshot_(snapshot),
        memory_(memory),
        visitor_(visitor),
        filter_(filter),
        buffer_(kReadBytes, resource),
        skip_(resource) {}

  u64 words() const { return words_; }
  u64 unread_bytes() const { return unread_bytes_; }

  // All roots. `check`, which returns a Result<void>, is called now and then; its error ends it.
  template <typename Check>
  Result<void> scan_roots(Check&& check) {
    std::size_t root = 0;
    u64 done = 0;  // of this root
    auto next = [&]() -> std::optional<Range> {
      while (root < snapshot_.roots.size() && done >= snapshot_.roots[root].range.size_bytes) {
        ++root;
        done = 0;
      }
      if (root == snapshot_.roots.size()) return std::nullopt;
      Range range = snapshot_.roots[root].range;
      Range piece{range.start + done, std::min(kReadBytes, range.size_bytes - done)};
      done += piece.size_bytes;
      return piece;
    };
    auto at_once = [](Range piece) { return aligned(piece); };
    return for_each_ahead(memory_, next, at_once, [&](Range piece) -> Result<void> {
      TRY(check());
      return scan_range(piece);
    });
  }

  // Memory that belongs to no slab: in pieces, up to the first that cannot be read, page by page from there.
  Result<void> scan_range(Range range) {
    range = aligned(range);
    Addr at = range.start;
    while (at < range.end()) {
      u64 size = std::min(kReadBytes, range.end() - at);
      auto piece = std::span(buffer_).first(size);
      auto got = memory_.read(at, piece);
      if (!got && got.error().code() != ErrorCode::NotMapped) return std::move(got).error();
      if (!got && size > kPage) {
        size = std::min(size, kPage - at.value % kPage);
        piece = piece.first(size);
        got = memory_.read(at, piece);
      }
      if (got)
        scan_words(piece, at);
      else
        unread_bytes_ += size;
      at += size;
    }
    return {};
  }

  // What scan_blocks() will read of the span in one call; nothing when it reads otherwise.
  Range at_once(const Span& span, const BitVector& pending) const {
    const Shape& shape = snapshot_.shape_of(span);
    u64 size = snapshot_.contents_bytes(span);
    if (span.has(span_flag::kReplicated) || size > buffer_.size()) return {};
    if (span.slots == 1) return is_plain(span) ? aligned({span.start, size}) : Range{span.start, size};
    u64 wanted = size > kPage / 2 ? pending.count(span.first_slot, span.slots) : span.slots;
    return wanted * (kReadCost + shape.object_bytes) < size ? Range{} : Range{span.start, size};
  }

  // The objects of `span` whose bits are set in `pending`. Each bit is cleared before its object is scanned: one that the
  // visitor sets again is left set.
  Result<void> scan_blocks(const Span& span, BitVector& pending) {
    const Shape& shape = snapshot_.shape_of(span);
    if (span.has(span_flag::kReplicated)) {
      pending.clear(span.first_slot);
      for (u64 offset : snapshot_.copy_offsets) TRY(scan_range({span.start + offset, shape.object_bytes}));
      return {};
    }
    u64 size = snapshot_.contents_bytes(span);
    if (size > buffer_.size() || (span.slots == 1 && is_plain(span))) return scan_big(span, pending);
    if (at_once(span, pending).size_bytes == 0) return scan_single(span, pending);
    auto contents = memory_.view(span.start, std::span(buffer_).first(size));
    if (!contents && contents.error().code() != ErrorCode::NotMapped) return std::move(contents).error();
    if (!contents) {
      unread_bytes_ += size;
      pending.for_each(span.first_slot, span.slots, [&](u64 slot) { pending.clear(slot); });
      return {};
    }
    pending.for_each(span.first_slot, span.slots, [&](u64 slot) {
      pending.clear(slot);
      scan_object(span, slot, contents->subspan((slot - span.first_slot) * shape.stride_bytes, shape.used_bytes()));
    });
    return {};
  }

  // The objects whose bits are set in `blocks`, of all spans. `check`, which returns a Result<void>, is called now and then; its
  // error ends it.
  template <typename Check>
  Result<void> scan_all_blocks(BitVector blocks, Check&& check) {
    u32 i = 0;
    auto next = [&]() -> std::optional<u32> {
      for (; i < snapshot_.spans.size(); ++i) {
        const Span& span = snapshot_.spans[i];
        if (span.has(span_flag::kAlias) || span.has(span_flag::kNoScan)) continue;
        u64 end = span.first_slot + span.slots;
        if (blocks.find_in(span.first_slot, end) != end) return i++;
      }
      return std::nullopt;
    };
    u64 done = 0;
    return for_each_ahead(
        memory_, next, [&](u32 span) { return at_once(snapshot_.spans[span], blocks); },
        [&](u32 span) -> Result<void> {
          if (done++ % 256 == 0) TRY(check());
          return scan_blocks(snapshot_.spans[span], blocks);
        });
  }

 private:
  static constexpr u64 kReadBytes = 256 << 10;
  static constexpr u64 kPage = 4096;
  // A read costs about as much as so many bytes of one.
  static constexpr u64 kReadCost = 1024;

  // All words of its blocks count.
  bool is_plain(const Span& span) const { return !span.has(span_flag::kFiltered) && snapshot_.shape_of(span).requested_at == 0; }

  // Without the bytes before the first word.
  static Range aligned(Range range) {
    u64 lost = std::min(align_up(range.start.value, 8) - range.start.value, range.size_bytes);
    return {range.start + lost, range.size_bytes - lost};
  }

  void scan_words(Bytes bytes, Addr at) {
    const std::byte* from = bytes.data();
    const std::byte* end = from + bytes.size() / 8 * 8;
    const std::byte* end_of_fours = from + bytes.size() / 32 * 32;
    words_ += bytes.size() / 8;
    const Filter filter = filter_;  // a copy: in a member it would be loaded again for each word
    // Much of memory is zero: that is seen four words at a time.
    for (; from != end_of_fours; from += 32) {
      u64 any = load_unchecked<u64>(from) | load_unchecked<u64>(from + 8) | load_unchecked<u64>(from + 16) |
                load_unchecked<u64>(from + 24);
      if (any == 0) continue;
      asm volatile("" ::: "memory");  // have each loaded again: four words would take the registers that the filter needs
      if (filter.passes(load_unchecked<u64>(from))) visit(from, bytes, at);
      if (filter.passes(load_unchecked<u64>(from + 8))) visit(from + 8, bytes, at);
      if (filter.passes(load_unchecked<u64>(from + 16))) visit(from + 16, bytes, at);
      if (filter.passes(load_unchecked<u64>(from + 24))) visit(from + 24, bytes, at);
    }
    for (; from != end; from += 8) {
      if (filter.passes(load_unchecked<u64>(from))) visit(from, bytes, at);
    }
  }
  // Out of line, so that the loop above keeps what it needs in registers.
  [[gnu::noinline]] void visit(const std::byte* from, Bytes bytes, Addr at) {
    u64 offset = static_cast<u64>(from - bytes.data());
    visitor_({load_unchecked<u64>(from), at + offset, bytes.first(offset), bytes.subspan(offset + 8)});
  }

  Result<void> scan_big(const Span& span, BitVector& pending) {
    u64 end = span.first_slot + span.slots;
    for (u64 slot = pending.find_in(span.first_slot, end); slot < end; slot = pending.find_in(slot + 1, end)) {
      pending.clear(slot);
      TRY(scan_range({snapshot_.slot_address(span, slot), snapshot_.shape_of(span).object_bytes}));
    }
    return {};
  }

  // Few of many: only their bytes are read.
  Result<void> scan_single(const Span& span, BitVector& pending) {
    u64 end = span.first_slot + span.slots;
    for (u64 slot = pending.find_in(span.first_slot, end); slot < end; slot = pending.find_in(slot + 1, end)) {
      pending.clear(slot);
      u64 size = snapshot_.shape_of(span).used_bytes();
      auto contents = memory_.view(snapshot_.slot_address(span, slot), std::span(buffer_).first(size));
      if (!contents && contents.error().code() != ErrorCode::NotMapped) return std::move(contents).error();
      if (contents)
        scan_object(span, slot, *contents);
      else
        unread_bytes_ += size;
    }
    return {};
  }

  // `contents`: what the slot uses.
  void scan_object(const Span& span, u64 slot, Bytes contents) {
    Addr at = snapshot_.slot_address(span, slot);
    Bytes object = contents.first(snapshot_.shape_of(span).scanned_bytes(contents));
    if (!span.has(span_flag::kFiltered)) {
      scan_words(object, at);
      return;
    }
    skip_.clear();
    snapshot_.filter->non_owning(span, at, object, skip_);
    u64 done = 0;
    for (Extent extent : skip_) {
      VERIFY(extent.offset >= done && extent.offset <= object.size());
      scan_words(object.subspan(done, extent.offset - done), at + done);
      done = std::min<u64>(align_up(extent.offset + extent.size_bytes, 8), object.size());
    }
    scan_words(object.subspan(done), at + done);
  }

  const Snapshot& snapshot_;
  const Memory& memory_;
  Visitor visitor_;
  Filter filter_;
  std::pmr::vector<std::byte> buffer_;
  std::pmr::vector<Extent> skip_;
  u64 words_ = 0;
  u64 unread_bytes_ = 0;
};

}  // namespace orphan
