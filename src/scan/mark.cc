// SPDX-License-Identifier: Apache-2.0
#include "scan/mark.h"

#include <algorithm>

namespace orphan {
namespace {

constexpr u64 kReadBytes = 256 << 10;

// Whether a reference to an allocator's handle is passed on to what the handle stands for.
enum class Forwarding : u8 { No, Yes };

class Marker {
 public:
  Marker(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory, const MarkOptions& options)
      : snapshot_(snapshot),
        index_(index),
        memory_(memory),
        options_(options),
        result_(options.resource),
        white_(options.resource),
        pending_(options.resource),
        pending_spans_(options.resource),
        buffer_(kReadBytes, options.resource),
        skip_(options.resource) {
    white_ = snapshot.live;
    pending_.resize(snapshot.live.size());
    pending_spans_.resize(snapshot.spans.size());
  }

  Result<MarkResult> run() {
    reach_root_spans();
    for (BlockRef block : snapshot_.root_blocks) reach(block, Forwarding::No);
    for (u64 word : snapshot_.root_words) refer(word);
    auto& structs = result_.root_count[static_cast<std::size_t>(RootKind::SingleWords)];
    structs += snapshot_.root_words.size();
    result_.root_bytes[static_cast<std::size_t>(RootKind::SingleWords)] += snapshot_.root_words.size() * 8;
    for (const Root& root : snapshot_.roots) {
      if (stopped()) return std::move(result_);
      result_.root_count[static_cast<std::size_t>(root.kind)] += 1;
      result_.root_bytes[static_cast<std::size_t>(root.kind)] += root.range.size_bytes;
      TRY(scan_range(root.range));
    }
    TRY(drain());
    return finish();
  }

  // From blocks instead of roots, where `reached` has been reached before.
  Result<MarkResult> run_from(const BitVector& seeds, const BitVector& reached) {
    white_.subtract(reached);
    for (u32 i = 0; i < snapshot_.spans.size(); ++i) {
      const Span& span = snapshot_.spans[i];
      if (span.has(span_flag::kAlias)) continue;
      seeds.for_each(span.first_slot, span.slots, [&](u64 slot) { reach({i, slot}, Forwarding::No); });
    }
    TRY(drain());
    return finish();
  }

 private:
  MarkResult finish() {
    result_.reached = snapshot_.live;
    result_.reached.subtract(white_);
    return std::move(result_);
  }

  bool stopped() {
    if (options_.keep_going && !options_.keep_going()) result_.stopped = true;
    return result_.stopped;
  }

  void reach_root_spans() {
    for (u32 i = 0; i < snapshot_.spans.size(); ++i) {
      const Span& span = snapshot_.spans[i];
      if (!span.has(span_flag::kRoot) || span.has(span_flag::kAlias)) continue;
      snapshot_.live.for_each(span.first_slot, span.slots, [&](u64 slot) { reach({i, slot}, Forwarding::No); });
    }
  }

  void refer(u64 word) {
    if (auto block = index_.find(word)) [[unlikely]]
      reach(*block);
  }

  void reach(BlockRef block, Forwarding forwarding = Forwarding::Yes) {
    const Span& span = snapshot_.spans[block.span];
    if (forwarding == Forwarding::Yes && span.has(span_flag::kForwards) && snapshot_.live.test(block.slot)) [[unlikely]]
      forward(block.slot);
    if (!white_.clear_if_set(block.slot)) return;
    if (span.has(span_flag::kNoScan)) return;
    pending_.set(block.slot);
    pending_spans_.set(block.span);
  }

  void forward(u64 slot) {
    auto first = std::ranges::lower_bound(snapshot_.forwards, slot, {}, &Forward::from);
    for (; first != snapshot_.forwards.end() && first->from == slot; ++first) reach(first->to);
  }

  void scan_words(Bytes bytes) {
    const std::byte* at = bytes.data();
    const std::byte* end = at + bytes.size() / 8 * 8;
    result_.words += bytes.size() / 8;
    // Much of memory is zero: that is seen four words at a time.
    for (; end - at >= 32; at += 32) {
      u64 words[4];
      std::memcpy(words, at, sizeof words);
      if ((words[0] | words[1] | words[2] | words[3]) == 0) continue;
      for (u64 word : words) refer(word);
    }
    for (; at != end; at += 8) refer(load_unchecked<u64>(at));
  }

  // Scans memory that belongs to no slab: in pieces, up to the first that cannot be read, page by page from there.
  Result<void> scan_range(Range range) {
    u64 lost_at_start = align_up(range.start.value, 8) - range.start.value;
    if (lost_at_start >= range.size_bytes) return {};
    Addr at = range.start + lost_at_start;
    while (at < range.end()) {
      u64 size = std::min(kReadBytes, range.end() - at);
      auto piece = std::span(buffer_).first(size);
      auto got = memory_.read(at, piece);
      if (!got && got.error().code() != ErrorCode::NotMapped) return std::move(got).error();
      if (!got && size > 4096) {
        size = std::min(size, 4096 - at.value % 4096);
        piece = piece.first(size);
        got = memory_.read(at, piece);
      }
      if (got)
        scan_words(piece);
      else
        result_.unread_bytes += size;
      at += size;
    }
    return {};
  }

  Result<void> drain() {
    for (;;) {
      u64 span = pending_spans_.find_from(0);
      if (span == pending_spans_.size()) return {};
      for (u64 n = 0; span != pending_spans_.size(); span = pending_spans_.find_from(span + 1), ++n) {
        if (n % 256 == 0 && stopped()) return {};
        pending_spans_.clear(span);
        TRY(scan_span(snapshot_.spans[span]));
      }
    }
  }

  Result<void> scan_span(const Span& span) {
    if (span.has(span_flag::kReplicated)) {
      pending_.clear(span.first_slot);
      for (u64 offset : snapshot_.copy_offsets) {
        TRY(scan_range({span.start + offset, snapshot_.shape_of(span).object_bytes}));
      }
      return {};
    }
    u64 size = snapshot_.contents_bytes(span);
    if (size > buffer_.size() || (span.slots == 1 && !span.has(span_flag::kFiltered))) return scan_big(span);
    auto contents = memory_.view(span.start, std::span(buffer_).first(size));
    if (!contents && contents.error().code() != ErrorCode::NotMapped) return std::move(contents).error();
    if (!contents) {
      result_.unread_bytes += size;
      pending_.for_each(span.first_slot, span.slots, [&](u64 slot) { pending_.clear(slot); });
      return {};
    }
    const Shape& shape = snapshot_.shape_of(span);
    // A slot that becomes pending behind us sets the span pending again.
    pending_.for_each(span.first_slot, span.slots, [&](u64 slot) {
      pending_.clear(slot);
      Bytes object = contents->subspan((slot - span.first_slot) * shape.stride_bytes, shape.object_bytes);
      if (span.has(span_flag::kFiltered))
        scan_filtered(span, slot, object);
      else
        scan_words(object);
    });
    return {};
  }

  Result<void> scan_big(const Span& span) {
    for (u64 slot = pending_.find_from(span.first_slot); slot < span.first_slot + span.slots;
         slot = pending_.find_from(slot + 1)) {
      pending_.clear(slot);
      TRY(scan_range({snapshot_.slot_address(span, slot), snapshot_.shape_of(span).object_bytes}));
    }
    return {};
  }

  void scan_filtered(const Span& span, u64 slot, Bytes object) {
    skip_.clear();
    snapshot_.filter->non_owning(span, snapshot_.slot_address(span, slot), object, skip_);
    u64 at = 0;
    for (Extent extent : skip_) {
      VERIFY(extent.offset >= at && extent.offset <= object.size());
      scan_words(object.subspan(at, extent.offset - at));
      at = std::min<u64>(align_up(extent.offset + extent.size_bytes, 8), object.size());
    }
    scan_words(object.subspan(at));
  }

  const Snapshot& snapshot_;
  const BlockIndex& index_;
  const Memory& memory_;
  const MarkOptions& options_;
  MarkResult result_;
  BitVector white_;  // live and not reached yet
  BitVector pending_;
  BitVector pending_spans_;
  std::pmr::vector<std::byte> buffer_;
  std::pmr::vector<Extent> skip_;
};

}  // namespace

Result<void> mark_from(const BitVector& seeds, const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                       const MarkOptions& options, MarkResult& result) {
  MarkResult more = TRY(Marker(snapshot, index, memory, options).run_from(seeds, result.reached));
  result.reached = std::move(more.reached);
  result.words += more.words;
  result.unread_bytes += more.unread_bytes;
  result.stopped = more.stopped;
  return {};
}

Result<MarkResult> mark(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory, const MarkOptions& options) {
  return Marker(snapshot, index, memory, options).run();
}

}  // namespace orphan
