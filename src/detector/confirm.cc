// SPDX-License-Identifier: Apache-2.0
#include "detector/confirm.h"

#include <zlib.h>

#include <algorithm>
#include <optional>

namespace orphan {
namespace {

constexpr u64 kReadBytes = 256 << 10;

class Checksummer {
 public:
  Checksummer(const Snapshot& snapshot, const Memory& memory) : snapshot_(snapshot), memory_(memory), buffer_(kReadBytes) {}

  // Of one block; nothing when it cannot be read. Blocks of a small span are read together, once.
  Result<std::optional<u32>> of(const Span& span, u64 slot) {
    u64 size = snapshot_.shape_of(span).object_bytes;
    if (span.has(span_flag::kReplicated)) {
      u32 sum = 0;
      for (u64 offset : snapshot_.copy_offsets) {
        auto next = TRY(in_pieces(sum, {span.start + offset, size}));
        if (!next) return std::optional<u32>();
        sum = *next;
      }
      return std::optional(sum);
    }
    Addr at = snapshot_.slot_address(span, slot);
    u64 all = snapshot_.contents_bytes(span);
    if (all > buffer_.size()) return in_pieces(0, {at, size});
    if (read_ != &span) {
      auto got = memory_.view(span.start, std::span(buffer_).first(all));
      if (!got && got.error().code() != ErrorCode::NotMapped) return std::move(got).error();
      read_ = &span;
      contents_ = got ? *got : Bytes();
    }
    if (contents_.empty()) return std::optional<u32>();
    return std::optional(kernel_crc32(0, contents_.subspan(at - span.start, size)));
  }

 private:
  Result<std::optional<u32>> in_pieces(u32 sum, Range range) {
    read_ = nullptr;
    for (Addr at = range.start; at < range.end();) {
      auto piece = std::span(buffer_).first(std::min<u64>(range.end() - at, buffer_.size()));
      auto got = memory_.read(at, piece);
      if (!got && got.error().code() == ErrorCode::NotMapped) return std::optional<u32>();
      if (!got) return std::move(got).error();
      sum = kernel_crc32(sum, piece);
      at += piece.size();
    }
    return std::optional(sum);
  }

  const Snapshot& snapshot_;
  const Memory& memory_;
  std::vector<std::byte> buffer_;
  const Span* read_ = nullptr;
  Bytes contents_;
};

}  // namespace

u32 kernel_crc32(u32 seed, Bytes bytes) {
  if (bytes.empty()) return seed;  // zlib answers a null pointer with its initial value
  // zlib inverts before and after.
  return ~static_cast<u32>(::crc32_z(~seed, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// One pass: the old state beside the new one.
class Confirmation::Pass {
 public:
  Pass(Confirmation& state, const Snapshot& snapshot, const BitVector& unreferenced, const Memory& memory)
      : state_(state),
        snapshot_(snapshot),
        unreferenced_(unreferenced),
        checksummer_(snapshot, memory),
        kept_(std::exchange(state.kept_, {})),
        candidates_(std::exchange(state.candidates_, BitVector())),
        twice_(std::exchange(state.twice_, BitVector())),
        thrice_(std::exchange(state.thrice_, BitVector())),
        from_first_(std::exchange(state.from_first_, BitVector())),
        checksums_(std::exchange(state.checksums_, {})),
        by_start_(kept_.size()) {
    for (u32 i = 0; i < by_start_.size(); ++i) by_start_[i] = i;
    std::ranges::sort(by_start_, {}, [&](u32 i) { return kept_[i].start; });
    state_.lost_ = state_.passes_ == 1 ? checksums_.size() : (state_.passes_ == 2 ? twice_ : thrice_).count();
  }

  Result<void> add(const Span& span) {
    const Shape& shape = snapshot_.shape_of(span);
    Kept kept{.start = span.start,
              .slots = span.slots,
              .owner = shape.owner,
              .stride_bytes = shape.stride_bytes,
              .object_bytes = shape.object_bytes,
              .is_replicated = span.has(span_flag::kReplicated),
              .was_judged = !span.has(span_flag::kRoot),
              .first_slot = span.first_slot,
              .first_bit = state_.candidates_.size(),
              .first_checksum = state_.checksums_.size()};
    if (kept.was_judged && unreferenced_.find_from(span.first_slot) >= span.first_slot + span.slots) return {};
    const Kept* before = find(kept);
    if (!kept.was_judged && before == nullptr) return {};
    resize(kept.first_bit + kept.slots);
    if (kept.was_judged)
      TRY(judge(span, kept, before));
    else
      carry_over(kept, *before);
    if (state_.checksums_.size() == kept.first_checksum) {
      resize(kept.first_bit);
    } else {
      state_.kept_.push_back(kept);
    }
    return {};
  }

 private:
  const Kept* find(const Kept& kept) const {
    auto found = std::ranges::lower_bound(by_start_, kept.start, {}, [&](u32 i) { return kept_[i].start; });
    return found != by_start_.end() && kept_[*found].is_same_place(kept) ? &kept_[*found] : nullptr;
  }

  void resize(u64 bits) {
    state_.candidates_.resize(bits);
    state_.twice_.resize(bits);
    state_.thrice_.resize(bits);
    state_.from_first_.resize(bits);
  }

  // In the pass before; in the first one, all candidates were as good as confirmed.
  bool was_confirmed(u64 bit) const {
    if (state_.passes_ == 1) return true;
    return (state_.passes_ == 2 ? twice_ : thrice_).test(bit);
  }

  void carry_over(const Kept& kept, const Kept& before) {
    u64 checksum = before.first_checksum;
    candidates_.for_each(before.first_bit, before.slots, [&](u64 bit) {
      u64 new_bit = kept.first_bit + (bit - before.first_bit);
      state_.candidates_.set(new_bit);
      state_.checksums_.push_back(checksums_[checksum++]);
      if (twice_.test(bit)) state_.twice_.set(new_bit);
      if (thrice_.test(bit)) state_.thrice_.set(new_bit);
      if (from_first_.test(bit)) state_.from_first_.set(new_bit);
      if (was_confirmed(bit)) --state_.lost_;
      if (!(state_.passes_ == 1 ? twice_ : thrice_).test(bit)) ++state_.undecided_;
    });
  }

  Result<void> judge(const Span& span, const Kept& kept, const Kept* before) {
    u64 old_checksum = before == nullptr ? 0 : before->first_checksum;
    for (u64 slot = 0; slot < span.slots; ++slot) {
      bool was_candidate = before != nullptr && candidates_.test(before->first_bit + slot);
      std::optional<u32> wanted;
      if (was_candidate) wanted = checksums_[old_checksum++];
      if (!unreferenced_.test(span.first_slot + slot)) continue;
      auto sum = TRY(checksummer_.of(span, span.first_slot + slot));
      if (!sum) continue;
      state_.candidates_.set(kept.first_bit + slot);
      state_.checksums_.push_back(*sum);
      bool was_from_first = state_.passes_ == 0 || (wanted == sum && from_first_.test(before->first_bit + slot));
      if (was_from_first) state_.from_first_.set(kept.first_bit + slot);
      if (wanted != sum) {
        ++state_.fresh_;
        continue;
      }
      u64 old_bit = before->first_bit + slot;
      state_.twice_.set(kept.first_bit + slot);
      if (twice_.test(old_bit)) state_.thrice_.set(kept.first_bit + slot);
      if (was_confirmed(old_bit)) --state_.lost_;
    }
    return {};
  }

  Confirmation& state_;
  const Snapshot& snapshot_;
  const BitVector& unreferenced_;
  Checksummer checksummer_;
  std::vector<Kept> kept_;
  BitVector candidates_, twice_, thrice_, from_first_;
  std::vector<u32> checksums_;
  std::vector<u32> by_start_;
};

BitVector Confirmation::confirmed(u64 slots) const {
  BitVector result;
  result.resize(slots);
  for (const Kept& kept : kept_) {
    confirmed().for_each(kept.first_bit, kept.slots, [&](u64 bit) { result.set(kept.first_slot + (bit - kept.first_bit)); });
  }
  return result;
}

void Confirmation::spare(const BitVector& spared) {
  for (const Kept& kept : kept_) {
    if (!kept.was_judged) continue;
    twice_.for_each(kept.first_bit, kept.slots, [&](u64 bit) {
      if (spared.test(kept.first_slot + (bit - kept.first_bit))) spared_.set(bit);
    });
  }
  recount();
}

void Confirmation::recount() {
  count_ = waiting_ = 0;
  for_each_bit([&](const Kept&, u64 bit, u32) {
    if (spared_.test(bit)) return;
    if (confirmed().test(bit))
      ++count_;
    else if (twice_.test(bit))
      ++waiting_;
  });
}

Result<void> Confirmation::add_pass(const Snapshot& snapshot, const BitVector& unreferenced, const Memory& memory) {
  fresh_ = undecided_ = 0;
  count_before_ = count_;
  Pass pass(*this, snapshot, unreferenced, memory);
  for (const Span& span : snapshot.spans) {
    bool is_untracked = span.has(span_flag::kRoot) && span.has(span_flag::kNoScan);
    if (!span.has(span_flag::kAlias) && !is_untracked) TRY(pass.add(span));
  }
  ++passes_;
  spared_ = BitVector();
  spared_.resize(candidates_.size());
  recount();
  return {};
}

}  // namespace orphan
