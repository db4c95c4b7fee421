// SPDX-License-Identifier: Apache-2.0
#include "detector/confirm.h"

#include <algorithm>

namespace orphan {

// One pass: the old state beside the new one.
class Confirmation::Pass {
 public:
  Pass(Confirmation& state, const Snapshot& snapshot, const BitVector& unreferenced, const Memory& memory)
      : state_(state),
        snapshot_(snapshot),
        unreferenced_(unreferenced),
        checksummer_(memory, snapshot.copy_offsets),
        kept_(std::exchange(state.kept_, {})),
        candidates_(std::exchange(state.candidates_, BitVector())),
        twice_(std::exchange(state.twice_, BitVector())),
        thrice_(std::exchange(state.thrice_, BitVector())),
        from_first_(std::exchange(state.from_first_, BitVector())),
        by_start_(kept_.size()) {
    for (u32 i = 0; i < by_start_.size(); ++i) by_start_[i] = i;
    std::ranges::sort(by_start_, {}, [&](u32 i) { return kept_[i].start; });
    state_.kept_.reserve(kept_.size());
    state_.candidates_.resize(snapshot.live.size());
    state_.twice_.resize(snapshot.live.size());
    state_.from_first_.resize(snapshot.live.size());
    if (needs_thrice()) state_.thrice_.resize(snapshot.live.size());
    state_.lost_ = (state_.passes_ == 1 ? candidates_ : state_.passes_ == 2 ? twice_ : thrice_).count();
  }

  Result<void> add(u32 index) {
    const Span& span = snapshot_.spans[index];
    const Shape& shape = snapshot_.shape_of(span);
    Kept kept{.start = span.start,
              .stride_bytes = shape.stride_bytes,
              .object_bytes = shape.object_bytes,
              .first_slot = span.first_slot,
              .sums = nullptr,
              .slots = span.slots,
              .span = index,
              .owner = shape.owner,
              .is_replicated = span.has(span_flag::kReplicated),
              .was_judged = !span.has(span_flag::kRoot)};
    u64 end = span.first_slot + span.slots;
    if (kept.was_judged && unreferenced_.find_in(span.first_slot, end) == end) return {};
    Kept* before = find(kept);
    if (!kept.was_judged && before == nullptr) return {};
    if (!kept.was_judged)
      carry_over(kept, *before);
    else if (state_.is_in_parts_)
      judge_later(kept, before);
    else
      TRY(judge(span, kept, before));
    if (state_.candidates_.find_in(span.first_slot, end) != end) state_.kept_.push_back(std::move(kept));
    return {};
  }

  // When there were too many candidates for their checksums: of those that seem to have been seen twice, which are unchanged?
  Result<void> check_parts() {
    if (!state_.is_in_parts_) return {};
    sums_.reserve(std::min(state_.most_checksums_, state_.twice_.count()));
    std::size_t next = 0;
    auto note = [&](const Kept& kept, u64 slot) -> Result<void> {
      auto sum = TRY(checksum(kept, slot));
      if (sum)
        sums_.push_back(folded(*sum));
      else
        reject(kept, slot);
      return {};
    };
    auto compare = [&](const Kept& kept, u64 slot) -> Result<void> {
      auto sum = TRY(checksum(kept, slot));
      if (!sum || folded(*sum) != sums_[next]) reject(kept, slot);
      ++next;
      return {};
    };
    for (Place at;;) {
      Place first = at;
      sums_.clear();
      checksummer_.read_anew();
      TRY(walk(at, state_.most_checksums_, note));
      if (sums_.empty() && at.kept == state_.kept_.size()) return {};
      if (sums_.empty()) continue;
      ++state_.parts_;
      if (state_.wait_) state_.wait_();
      checksummer_.read_anew();
      next = 0;
      TRY(walk(first, sums_.size(), compare));
    }
  }

 private:
  // Where a walk over the confirmed ones is: at a span that is kept, and a slot of it.
  struct Place {
    std::size_t kept = 0;
    u64 slot = 0;
  };

  // Calls f(kept, slot) for at most so many that seem to have been seen twice and were judged in this pass, from `at` on, and
  // leaves `at` behind them. f may clear the bit.
  template <typename F>
  Result<void> walk(Place& at, u64 most, F&& f) {
    for (; at.kept < state_.kept_.size(); ++at.kept, at.slot = 0) {
      const Kept& kept = state_.kept_[at.kept];
      if (!kept.was_judged) continue;
      u64 end = kept.first_slot + kept.slots;
      at.slot = state_.twice_.find_in(std::max(at.slot, kept.first_slot), end);
      for (; at.slot < end; at.slot = state_.twice_.find_in(at.slot + 1, end)) {
        if (most-- == 0) return {};
        TRY(f(kept, at.slot));
      }
    }
    return {};
  }

  Result<std::optional<u32>> checksum(const Kept& kept, u64 slot) {
    return checksummer_.of(snapshot_, snapshot_.spans[kept.span], slot);
  }

  // It has changed, or cannot be read.
  void reject(const Kept& kept, u64 slot) {
    state_.twice_.clear(slot);
    state_.from_first_.clear(slot);
    if (needs_thrice()) state_.thrice_.clear(slot);
    ++state_.fresh_;
    const Kept* before = find(kept);
    VERIFY(before != nullptr);
    if (was_confirmed(before->first_slot + (slot - kept.first_slot))) ++state_.lost_;
  }

  // The pass that is made is the third or a later one.
  bool needs_thrice() const { return state_.passes_ >= 2; }
  bool was_thrice(u64 bit) const { return thrice_.size() != 0 && thrice_.test(bit); }
  // In the pass before; in the first one, all candidates were as good as confirmed.
  bool was_confirmed(u64 bit) const {
    if (state_.passes_ == 1) return true;
    return state_.passes_ == 2 ? twice_.test(bit) : was_thrice(bit);
  }

  // A candidate of the pass before is one in this, unchanged.
  void see_again(u64 old_bit, u64 bit) {
    state_.twice_.set(bit);
    if (needs_thrice() && twice_.test(old_bit)) state_.thrice_.set(bit);
    if (from_first_.test(old_bit)) state_.from_first_.set(bit);
    if (was_confirmed(old_bit)) --state_.lost_;
  }

  Kept* find(const Kept& kept) {
    auto found = std::ranges::lower_bound(by_start_, kept.start, {}, [&](u32 i) { return kept_[i].start; });
    return found != by_start_.end() && kept_[*found].is_same_place(kept) ? &kept_[*found] : nullptr;
  }

  void carry_over(Kept& kept, Kept& before) {
    kept.sums = std::move(before.sums);
    candidates_.for_each(before.first_slot, before.slots, [&](u64 bit) {
      u64 new_bit = kept.first_slot + (bit - before.first_slot);
      state_.candidates_.set(new_bit);
      bool is_thrice = was_thrice(bit);
      if (twice_.test(bit)) state_.twice_.set(new_bit);
      if (is_thrice) state_.thrice_.set(new_bit);
      if (from_first_.test(bit)) state_.from_first_.set(new_bit);
      if (was_confirmed(bit)) --state_.lost_;
      if (!(needs_thrice() ? is_thrice : twice_.test(bit))) ++state_.undecided_;
    });
  }

  // What was a candidate before, too, seems to have been seen twice; check_parts() has the last word.
  void judge_later(const Kept& kept, const Kept* before) {
    unreferenced_.for_each(kept.first_slot, kept.slots, [&](u64 slot) {
      state_.candidates_.set(slot);
      u64 old_slot = before == nullptr ? 0 : before->first_slot + (slot - kept.first_slot);
      if (before == nullptr || !candidates_.test(old_slot)) {
        if (state_.passes_ == 0) state_.from_first_.set(slot);
        ++state_.fresh_;
        return;
      }
      see_again(old_slot, slot);
    });
  }

  void forget_checksums() {
    state_.is_in_parts_ = true;
    for (Kept& kept : state_.kept_) kept.sums.reset();
    for (Kept& kept : kept_) kept.sums.reset();
  }

  Result<void> judge(const Span& span, Kept& kept, Kept* before) {
    const u16* old_sum = before == nullptr ? nullptr : before->sums.get();
    sums_.clear();
    for (u64 slot = 0; slot < span.slots; ++slot) {
      bool was_candidate = before != nullptr && candidates_.test(before->first_slot + slot);
      const u16* wanted = was_candidate ? old_sum++ : nullptr;
      if (!unreferenced_.test(span.first_slot + slot)) continue;
      auto sum = TRY(checksummer_.of(snapshot_, span, span.first_slot + slot));
      if (!sum) continue;
      state_.candidates_.set(kept.first_slot + slot);
      sums_.push_back(folded(*sum));
      if (wanted == nullptr || *wanted != sums_.back()) {
        if (state_.passes_ == 0) state_.from_first_.set(kept.first_slot + slot);
        ++state_.fresh_;
        continue;
      }
      see_again(before->first_slot + slot, kept.first_slot + slot);
    }
    if (before != nullptr) before->sums.reset();
    sums_kept_ += sums_.size();
    if (sums_kept_ > state_.most_checksums_) forget_checksums();
    if (sums_.empty() || state_.is_in_parts_) return {};
    kept.sums = std::make_unique_for_overwrite<u16[]>(sums_.size());
    std::ranges::copy(sums_, kept.sums.get());
    return {};
  }

  Confirmation& state_;
  const Snapshot& snapshot_;
  const BitVector& unreferenced_;
  Checksummer checksummer_;
  std::vector<Kept> kept_;
  BitVector candidates_, twice_, thrice_, from_first_;
  std::vector<u32> by_start_;
  std::vector<u16> sums_;  // of one span, or of a part
  u64 sums_kept_ = 0;      // of this pass
};

void Confirmation::spare(const BitVector& spared) {
  if (count_ == 0) return;
  spared_.resize(twice_.size());
  for (const Kept& kept : kept_) {
    if (!kept.was_judged) continue;
    confirmed().for_each(kept.first_slot, kept.slots, [&](u64 bit) {
      if (spared.test(bit)) spared_.set(bit);
    });
  }
  recount();
}

Result<void> Confirmation::add_pass(const Snapshot& snapshot, const BitVector& unreferenced, const Memory& memory) {
  fresh_ = undecided_ = 0;
  count_before_ = count_;
  spared_ = BitVector();
  Pass pass(*this, snapshot, unreferenced, memory);
  for (u32 i = 0; i < snapshot.spans.size(); ++i) {
    const Span& span = snapshot.spans[i];
    bool is_untracked = span.has(span_flag::kRoot) && span.has(span_flag::kNoScan);
    if (!span.has(span_flag::kAlias) && !is_untracked) TRY(pass.add(i));
  }
  TRY(pass.check_parts());
  ++passes_;
  recount();
  return {};
}

}  // namespace orphan
