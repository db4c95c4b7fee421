// SPDX-License-Identifier: Apache-2.0
#include "kernel/address_space.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

constexpr u64 kPresent = 1 << 0;
constexpr u64 kLargePage = 1 << 7;
// Enough for the tables of a terabyte of vmalloc space in use; they are dropped and read anew beyond.
constexpr std::size_t kTablesKept = 2048;

}  // namespace

const KernelMemory::Table* KernelMemory::table(u64 physical) const {
  if (auto found = tables_.find(physical); found != tables_.end()) return &found->second;
  Table fresh;
  if (!raw_.read(space_.linear(physical), std::as_writable_bytes(std::span(fresh)))) return nullptr;
  if (tables_.size() >= kTablesKept) tables_.clear();
  return &tables_.emplace(physical, fresh).first->second;
}

KernelMemory::Entry KernelMemory::walk(Addr at) const {
  u32 shift = 12 + 9 * (space_.format.levels - 1);
  const Table* entries = table(space_.top_table - space_.linear_map);
  for (;; shift -= 9) {
    u64 page_bytes = u64{1} << shift;
    if (entries == nullptr) return {0, page_bytes};
    u64 entry = (*entries)[at.value >> shift & 511];
    if ((entry & kPresent) == 0) return {0, page_bytes};
    if (shift == 12 || ((entry & kLargePage) != 0 && shift <= 30)) return {entry, page_bytes};
    entries = table(entry & space_.format.address_mask);
  }
}

std::optional<Mapping> KernelMemory::translate(Addr at) const {
  Entry entry = walk(at);
  if ((entry.value & kPresent) == 0) return std::nullopt;
  u64 offset = at.value & (entry.page_bytes - 1);
  // In an entry for a large page, the lowest address bits hold attributes.
  u64 physical = align_down(entry.value & space_.format.address_mask, entry.page_bytes) + offset;
  return Mapping{physical, entry.page_bytes - offset};
}

u64 KernelMemory::hole_bytes(Addr at) const {
  Entry entry = walk(at);
  return entry.page_bytes - (at.value & (entry.page_bytes - 1));
}

Result<void> KernelMemory::read(Addr at, std::span<std::byte> out) const {
  if (!is_mapped_by_page(at)) return raw_.read(at, out);
  while (!out.empty()) {
    auto mapping = translate(at);
    if (!mapping) return Error(ErrorCode::NotMapped);
    u64 size = std::min<u64>(mapping->size_bytes, out.size());
    // Pages that lie side by side in RAM are read in one call.
    while (size < out.size()) {
      auto next = translate(at + size);
      if (!next || next->physical != mapping->physical + size) break;
      size = std::min<u64>(size + next->size_bytes, out.size());
    }
    TRY(raw_.read(space_.linear(mapping->physical), out.first(size)));
    out = out.subspan(size);
    at += size;
  }
  return {};
}

Result<Bytes> KernelMemory::view(Addr at, std::span<std::byte> scratch) const {
  if (!is_mapped_by_page(at)) return raw_.view(at, scratch);
  TRY(read(at, scratch));
  return Bytes(scratch);
}

void KernelMemory::expect(std::span<const Range> pieces) const {
  expected_.clear();
  std::ranges::copy_if(pieces, std::back_inserter(expected_), [&](Range piece) { return !is_mapped_by_page(piece.start); });
  if (!expected_.empty() || pieces.empty()) raw_.expect(expected_);
}

}  // namespace orphan::kernel
