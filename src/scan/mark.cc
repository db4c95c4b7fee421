// SPDX-License-Identifier: Apache-2.0
#include "scan/mark.h"

#include <algorithm>

#include "scan/content_scanner.h"

namespace orphan {
namespace {

constexpr u64 kPageBytes = 4096;

// So many spans are remembered by number; beyond that their bits are searched for.
constexpr std::size_t kFewSpans = 4096;

// Lets words pass that lead to what is not settled: see settled_pages().
struct Unsettled {
  WordFilter words;
  u64 first = 0, size_bytes = 0;  // the paged window
  const u64* settled = nullptr;   // bits of its pages

  // Most of the words that may pass lead into the window: that is looked at first.
  bool passes(u64 word) const {
    if (!words.may_pass(word)) return false;
    u64 offset = word - first;
    if (offset >= size_bytes) return words.passes(word);
    u64 page = offset / kPageBytes;
    return (settled[page / 64] >> (page % 64) & 1) == 0;
  }
};

// Whether a reference to an allocator's handle is passed on to what the handle stands for.
enum class Forwarding : u8 { No, Yes };

// `kTraces`: notes the address of the word by which each block was reached first.
template <bool kTraces>
class Marker {
 public:
  // `reached` were reached before; empty: none.
  Marker(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory, const MarkOptions& options,
         BitVector reached = BitVector())
      : snapshot_(snapshot),
        index_(index),
        memory_(memory),
        options_(options),
        paged_(index.paged()),
        result_(options.resource),
        white_(white(snapshot, std::move(reached), options.resource)),
        settled_(settled_pages(options.resource)),
        pending_(options.resource),
        pending_spans_(options.resource),
        few_(options.resource),
        filter_{index.filter(), paged_.start.value, paged_.size_bytes, settled_.words()},
        scanner_(snapshot, memory, filter_, Refer{this}, options.resource) {
    pending_.resize(snapshot.live.size());
    pending_spans_.resize(snapshot.spans.size());
    few_.reserve(kFewSpans);
    if constexpr (kTraces) options.reached_from->assign(snapshot.live.size(), Addr{});
  }

  Result<MarkResult> run() {
    reach_root_spans();
    for (BlockRef block : snapshot_.root_blocks) reach(block, Addr{}, Forwarding::No);
    for (std::size_t i = 0; i < snapshot_.root_words.size(); ++i) {
      if (!filter_.passes(snapshot_.root_words[i])) continue;
      look_up(snapshot_.root_words[i], i < snapshot_.root_word_places.size() ? snapshot_.root_word_places[i] : Addr{}, {});
    }
    auto& words = result_.root_count[static_cast<std::size_t>(RootKind::SingleWords)];
    words += snapshot_.root_words.size();
    result_.root_bytes[static_cast<std::size_t>(RootKind::SingleWords)] += snapshot_.root_words.size() * 8;
    for (const Root& root : snapshot_.roots) {
      result_.root_count[static_cast<std::size_t>(root.kind)] += 1;
      result_.root_bytes[static_cast<std::size_t>(root.kind)] += root.range.size_bytes;
    }
    auto done = scanner_.scan_roots([this] { return check(); });
    if (done) done = drain();
    if (!done && done.error().code() != ErrorCode::Interrupted) return std::move(done).error();
    result_.stopped = !done;
    return finish();
  }

  // From blocks instead of roots.
  Result<MarkResult> run_from(const BitVector& seeds) {
    for (u32 i = 0; i < snapshot_.spans.size(); ++i) {
      const Span& span = snapshot_.spans[i];
      if (span.has(span_flag::kAlias)) continue;
      seeds.for_each(span.first_slot, span.slots, [&](u64 slot) { reach({i, slot}, Addr{}, Forwarding::No); });
    }
    TRY(drain());
    return finish();
  }

 private:
  struct Refer {
    Marker* marker;
    [[gnu::always_inline]] void operator()(const WordRead& read) const { marker->look_up(read.word, read.at, read.following); }
  };

  MarkResult finish() {
    white_.complement_within(snapshot_.live);
    result_.reached = std::move(white_);
    result_.words = scanner_.words();
    result_.unread_bytes = scanner_.unread_bytes();
    return std::move(result_);
  }

  Result<void> check() const {
    if (options_.keep_going && !options_.keep_going()) return Error(ErrorCode::Interrupted, "following references");
    return {};
  }

  // Calls f(first, count) for the pages that hold objects of a span in the paged window, which `settled` has bits of.
  template <typename F>
  void with_pages(const Span& span, const BitVector& settled, F&& f) const {
    if (!paged_.contains(span.start)) return;
    u64 first = (span.start - paged_.start) / kPageBytes;
    u64 last = (span.start - paged_.start + snapshot_.contents_bytes(span) - 1) / kPageBytes;
    f(first, std::min(last + 1, settled.size()) - first);
  }

  static BitVector white(const Snapshot& snapshot, BitVector reached, std::pmr::memory_resource* resource) {
    BitVector white(resource);
    if (reached.size() == 0) {
      white = snapshot.live;
    } else {
      white = std::move(reached);
      white.complement_within(snapshot.live);
    }
    return white;
  }

  // A word that leads to a settled page has nothing more to say: no block there is waiting to be reached, none forwards, and it
  // is no alias.
  BitVector settled_pages(std::pmr::memory_resource* resource) const {
    BitVector settled(resource);
    settled.resize((paged_.size_bytes + kPageBytes - 1) / kPageBytes);
    settled.set_range(0, settled.size());
    for (const Span& span : snapshot_.spans) {
      if (is_settled(span)) continue;
      with_pages(span, settled, [&](u64 first, u64 count) { settled.clear_range(first, count); });
    }
    return settled;
  }
  bool is_settled(const Span& span) const {
    if (span.has(span_flag::kAlias)) return false;
    u64 end = span.first_slot + span.slots;
    return !span.has(span_flag::kForwards) && white_.find_in(span.first_slot, end) == end;
  }

  void reach_root_spans() {
    for (u32 i = 0; i < snapshot_.spans.size(); ++i) {
      const Span& span = snapshot_.spans[i];
      if (!span.has(span_flag::kRoot) || span.has(span_flag::kAlias)) continue;
      snapshot_.live.for_each(span.first_slot, span.slots, [&](u64 slot) { reach({i, slot}, Addr{}, Forwarding::No); });
    }
  }

  void look_up(u64 word, Addr at, Bytes following) {
    auto block = index_.find(word);
    if (!block) return;
    // Most were reached before.
    if (!white_.test(block->slot) && !snapshot_.spans[block->span].has(span_flag::kForwards)) [[likely]]
      return;
    if (!is_hint(snapshot_, word, at, following)) reach(*block, at);
  }

  void reach(BlockRef block, Addr at, Forwarding forwarding = Forwarding::Yes) {
    const Span& span = snapshot_.spans[block.span];
    if (forwarding == Forwarding::Yes && span.has(span_flag::kForwards) && snapshot_.live.test(block.slot)) [[unlikely]]
      forward(block.slot, at);
    if (!white_.clear_if_set(block.slot)) return;
    if (is_settled(span)) with_pages(span, settled_, [&](u64 first, u64 count) { settled_.set_range(first, count); });
    if constexpr (kTraces) (*options_.reached_from)[block.slot] = at;
    if (span.has(span_flag::kNoScan)) return;
    pending_.set(block.slot);
    if (!pending_spans_.set_if_clear(block.span)) return;
    if (few_.size() < kFewSpans)
      few_.push_back(block.span);
    else
      has_more_ = true;
  }

  // What a handle stands for is never passed on once more: a damaged one could lead round in a circle.
  void forward(u64 slot, Addr at) {
    auto first = std::ranges::lower_bound(snapshot_.forwards, slot, {}, &Forward::from);
    for (; first != snapshot_.forwards.end() && first->from == slot; ++first) reach(first->to, at, Forwarding::No);
  }

  // Rounds, each in ascending order of the spans, so that all that is pending in a span is read at once: over all spans while
  // many are pending, over the few that are named when they are few (a long list, say).
  Result<void> drain() {
    std::pmr::vector<u32> round(options_.resource);
    while (has_more_ || !few_.empty()) {
      round.swap(few_);
      few_.clear();
      if (std::exchange(has_more_, false)) {
        TRY(scan_spans([this, at = u64{0}]() mutable -> std::optional<u32> {
          u64 span = pending_spans_.find_from(at);
          if (span == pending_spans_.size()) return std::nullopt;
          at = span + 1;
          return static_cast<u32>(span);
        }));
      } else {
        std::ranges::sort(round);
        TRY(scan_spans(
            [at = round.begin(), end = round.end()]() mutable { return at == end ? std::nullopt : std::optional(*at++); }));
      }
      TRY(check());
    }
    return {};
  }

  // What is pending in the spans that next() gives.
  template <typename Next>
  Result<void> scan_spans(Next&& next) {
    u64 n = 0;
    return for_each_ahead(
        memory_, next, [this](u32 span) { return scanner_.at_once(snapshot_.spans[span], pending_); },
        [&](u32 span) -> Result<void> {
          if (n++ % 256 == 0) TRY(check());
          if (!pending_spans_.clear_if_set(span)) return {};
          return scanner_.scan_blocks(snapshot_.spans[span], pending_);
        });
  }

  const Snapshot& snapshot_;
  const BlockIndex& index_;
  const Memory& memory_;
  const MarkOptions& options_;
  Range paged_;
  MarkResult result_;
  BitVector white_;    // live and not reached yet
  BitVector settled_;  // pages of the paged window
  BitVector pending_;
  BitVector pending_spans_;
  std::pmr::vector<u32> few_;  // spans that became pending since the round began, up to kFewSpans of them
  bool has_more_ = false;      // others did as well
  Unsettled filter_;
  ContentScanner<Refer, Unsettled> scanner_;
};

}  // namespace

Result<void> mark_from(const BitVector& seeds, const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                       MarkResult& result) {
  MarkOptions options;
  MarkResult more = TRY(Marker<false>(snapshot, index, memory, options, std::move(result.reached)).run_from(seeds));
  result.reached = std::move(more.reached);
  result.words += more.words;
  result.unread_bytes += more.unread_bytes;
  return {};
}

Result<MarkResult> mark(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory, const MarkOptions& options) {
  if (options.reached_from != nullptr) return Marker<true>(snapshot, index, memory, options).run();
  return Marker<false>(snapshot, index, memory, options).run();
}

}  // namespace orphan
