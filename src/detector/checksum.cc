// SPDX-License-Identifier: Apache-2.0
#include "detector/checksum.h"

#include <zlib.h>

#include <algorithm>

namespace orphan {
namespace {

constexpr u64 kReadBytes = 256 << 10;

}  // namespace

u32 kernel_crc32(u32 seed, Bytes bytes) {
  if (bytes.empty()) return seed;  // zlib answers a null pointer with its initial value
  // zlib inverts before and after.
  return ~static_cast<u32>(::crc32_z(~seed, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

Checksummer::Checksummer(const Memory& memory, std::span<const u64> copy_offsets)
    : memory_(memory), copy_offsets_(copy_offsets), buffer_(kReadBytes) {}

Result<std::optional<u32>> Checksummer::of(const BlockPlace& block) {
  if (!block.is_replicated) return in_pieces(0, {block.start, block.size_bytes});
  std::optional<u32> sum = 0;
  for (u64 offset : copy_offsets_) {
    if (sum) sum = TRY(in_pieces(*sum, {block.start + offset, block.size_bytes}));
  }
  return sum;
}

Result<std::optional<u32>> Checksummer::of(const Snapshot& snapshot, const Span& span, u64 slot) {
  u64 size = snapshot.shape_of(span).object_bytes;
  if (span.has(span_flag::kReplicated)) return of({span.start, size, true});
  Addr at = snapshot.slot_address(span, slot);
  u64 all = snapshot.contents_bytes(span);
  if (all > buffer_.size()) return in_pieces(0, {at, size});
  if (read_ != &span) {
    auto got = read(span.start, std::span(buffer_).first(all));
    if (!got && got.error().code() != ErrorCode::NotMapped) return std::move(got).error();
    read_ = &span;
    contents_ = got ? *got : Bytes();
  }
  if (contents_.empty()) return std::optional<u32>();
  return std::optional(kernel_crc32(0, contents_.subspan(at - span.start, size)));
}

Result<Bytes> Checksummer::read(Addr at, std::span<std::byte> buffer) const {
  if (!reads_anew_) return memory_.view(at, buffer);
  TRY(memory_.read(at, buffer));
  return Bytes(buffer);
}

Result<std::optional<u32>> Checksummer::in_pieces(u32 sum, Range range) {
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

}  // namespace orphan
