// SPDX-License-Identifier: Apache-2.0
#include "memory/caching_memory.h"

#include <algorithm>
#include <bit>
#include <new>

namespace orphan {

namespace {
constexpr u64 kChunkSize = 1 << 20;
constexpr u64 kPageShift = 12;
constexpr u64 kFirstSlots = 1024;

u64 page_of(u64 address) {
  return (address >> kPageShift) + 1;
}
}  // namespace

Result<void> CachingMemory::read(Addr at, std::span<std::byte> out) const {
  return inner_.read(at, out);
}

Result<Bytes> CachingMemory::view(Addr at, std::span<std::byte> scratch) const {
  Range range{at, scratch.size()};
  if (const std::byte* kept = find_and_count(range)) return Bytes(kept, scratch.size());
  bool worth_keeping = range.size_bytes >= kMinBlockSize && range.size_bytes - 1 <= ~at.value;
  std::byte* room = worth_keeping ? reserve(range.size_bytes) : nullptr;
  if (room == nullptr) return inner_.view(at, scratch);
  // The room is taken only by note(): a read that fails leaves it to the next block.
  TRY(inner_.read(at, {room, scratch.size()}));
  note(range, room);
  return Bytes(room, scratch.size());
}

void CachingMemory::expect(std::span<const Range> pieces) const {
  expected_.clear();
  for (Range piece : pieces) {
    if (find(piece) == nullptr) expected_.push_back(piece);
  }
  if (!expected_.empty() || pieces.empty()) inner_.expect(expected_);
}

void CachingMemory::keep(Addr at, Bytes bytes) {
  std::byte* room = bytes.empty() ? nullptr : reserve(bytes.size());
  if (room == nullptr) return;
  copy_bytes(bytes, room);
  note({at, bytes.size()}, room);
}

void CachingMemory::clear() {
  std::ranges::fill(slots_, Slot{});
  used_slots_ = 0;
  blocks_.clear();
  kept_bytes_ = 0;
  chunk_ = 0;
  chunk_used_ = 0;
}

const std::byte* CachingMemory::find(Range range) const {
  if (!slots_.empty() && range.size_bytes != 0) {
    u64 page = page_of(range.start.value);
    for (u64 slot = first_slot(page); slots_[slot].page_plus_one != 0; slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot].page_plus_one != page) continue;
      const Block& block = blocks_[slots_[slot].block];
      if (block.range.contains(range)) return block.bytes + (range.start - block.range.start);
    }
  }
  return nullptr;
}

const std::byte* CachingMemory::find_and_count(Range range) const {
  const std::byte* kept = find(range);
  ++(kept != nullptr ? hits_ : misses_);
  return kept;
}

// Room for `size` bytes in the first chunk that has it, or nothing when the capacity is used up.
std::byte* CachingMemory::reserve(u64 size) const {
  while (chunk_ < chunks_.size()) {
    if (size <= chunks_[chunk_].size - chunk_used_) return chunks_[chunk_].bytes.get() + chunk_used_;
    // The last chunk stays open: a smaller block may still fit when no more may be allocated.
    if (chunk_ + 1 == chunks_.size()) break;
    ++chunk_;
    chunk_used_ = 0;
  }
  u64 left = capacity_bytes_ - std::min(capacity_bytes_, allocated_bytes_);
  if (size > left) return nullptr;
  u64 chunk_size = std::max(size, std::min(kChunkSize, left));
  Chunk chunk{std::unique_ptr<std::byte[]>(new (std::nothrow) std::byte[chunk_size]), chunk_size};
  if (!chunk.bytes) return nullptr;
  allocated_bytes_ += chunk_size;
  chunks_.push_back(std::move(chunk));
  chunk_ = chunks_.size() - 1;
  chunk_used_ = 0;
  return chunks_[chunk_].bytes.get();
}

void CachingMemory::note(Range range, const std::byte* bytes) const {
  chunk_used_ += range.size_bytes;
  kept_bytes_ += range.size_bytes;
  u64 first = page_of(range.start.value);
  u64 pages = page_of((range.end() - 1).value) - first + 1;
  grow_table(pages);
  auto block = static_cast<u32>(blocks_.size());
  blocks_.push_back({range, bytes});
  for (u64 page = first; page < first + pages; ++page) insert({page, block});
}

void CachingMemory::insert(Slot slot) const {
  u64 at = first_slot(slot.page_plus_one);
  while (slots_[at].page_plus_one != 0) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = slot;
  ++used_slots_;
}

// At most half of the slots are used, so that a search meets an empty one soon.
void CachingMemory::grow_table(u64 more_slots) const {
  u64 wanted = std::max(kFirstSlots, std::bit_ceil((used_slots_ + more_slots) * 2));
  if (wanted <= slots_.size()) return;
  std::vector<Slot> old(wanted);
  old.swap(slots_);
  used_slots_ = 0;
  for (Slot slot : old) {
    if (slot.page_plus_one != 0) insert(slot);
  }
}

u64 CachingMemory::first_slot(u64 page_plus_one) const {
  // Fibonacci hashing: neighbouring pages go far apart.
  constexpr u64 kGolden = 0x9E37'79B9'7F4A'7C15;
  return (page_plus_one * kGolden) >> (64 - std::bit_width(slots_.size() - 1));
}

}  // namespace orphan
