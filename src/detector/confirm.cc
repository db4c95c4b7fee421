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
  // zlib inverts before and after.
  return ~static_cast<u32>(::crc32_z(~seed, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

Result<void> Confirmation::add_pass(const Snapshot& snapshot, const BitVector& unreferenced, const Memory& memory) {
  std::vector<Kept> old_kept = std::exchange(kept_, {});
  BitVector old_candidates = std::exchange(candidates_, BitVector());
  std::vector<u32> old_checksums = std::exchange(checksums_, {});
  std::vector<u32> by_start(old_kept.size());
  for (u32 i = 0; i < by_start.size(); ++i) by_start[i] = i;
  std::ranges::sort(by_start, {}, [&](u32 i) { return old_kept[i].start; });

  Checksummer checksummer(snapshot, memory);
  for (u32 index = 0; index < snapshot.spans.size(); ++index) {
    const Span& span = snapshot.spans[index];
    if (span.has(span_flag::kAlias) || unreferenced.find_from(span.first_slot) >= span.first_slot + span.slots) continue;
    const Shape& shape = snapshot.shape_of(span);
    Kept kept{.start = span.start,
              .slots = span.slots,
              .owner = shape.owner,
              .stride_bytes = shape.stride_bytes,
              .object_bytes = shape.object_bytes,
              .is_replicated = span.has(span_flag::kReplicated),
              .first_bit = candidates_.size(),
              .first_checksum = checksums_.size()};
    const Kept* before = nullptr;
    if (passes_ != 0) {
      auto found = std::ranges::lower_bound(by_start, span.start, {}, [&](u32 i) { return old_kept[i].start; });
      if (found == by_start.end() || !old_kept[*found].is_same_place(kept)) continue;
      before = &old_kept[*found];
    }
    candidates_.resize(kept.first_bit + kept.slots);
    u64 old_checksum = before == nullptr ? 0 : before->first_checksum;
    u64 old_bit = before == nullptr ? 0 : before->first_bit;
    for (u64 slot = 0; slot < span.slots; ++slot) {
      std::optional<u32> wanted;
      if (before != nullptr) {
        if (!old_candidates.test(old_bit + slot)) continue;
        wanted = old_checksums[old_checksum++];
      }
      if (!unreferenced.test(span.first_slot + slot)) continue;
      auto sum = TRY(checksummer.of(span, span.first_slot + slot));
      if (!sum || (wanted && *wanted != *sum)) continue;
      candidates_.set(kept.first_bit + slot);
      checksums_.push_back(*sum);
    }
    if (checksums_.size() == kept.first_checksum)
      candidates_.resize(kept.first_bit);
    else
      kept_.push_back(kept);
  }
  ++passes_;
  count_before_ = std::exchange(count_, checksums_.size());
  return {};
}

}  // namespace orphan
