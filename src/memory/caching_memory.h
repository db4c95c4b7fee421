// SPDX-License-Identifier: Apache-2.0
// Keeps blocks that were read, so that a second look within one pass costs no read. view() of at least a kilobyte keeps what it
// read, until the capacity is used up; nothing is thrown out to make room, since one pass reads each block about as often
// as any other. clear() starts the next pass and keeps the storage.
//
// How: blocks are laid one after the other into chunks, allocated when the first block needs them. A flat hash table leads
// from each page that a block touches to the block. One thread at a time.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "memory/memory.h"

namespace orphan {

class CachingMemory : public Memory {
 public:
  static constexpr u64 kMinBlockSize = 1024;

  // `inner` must outlive this. At most `capacity_bytes` of blocks are kept; the table adds a few percent to that.
  CachingMemory(const Memory& inner, u64 capacity_bytes) : inner_(inner), capacity_bytes_(capacity_bytes) {}

  // Always from the inner memory: lists that the target changes must be walked as they are now. Keeps nothing.
  Result<void> read(Addr at, std::span<std::byte> out) const override;

  // Out of a kept block that contains the range, without a copy; else read, and kept where there is room. The bytes of a
  // kept block stay valid until clear().
  Result<Bytes> view(Addr at, std::span<std::byte> scratch) const override;

  // What is not kept, the inner memory may expect.
  Foresight foresight() const override { return inner_.foresight(); }
  void expect(std::span<const Range> pieces) const override;

  // Keeps a block that the caller has read by other means, where there is room.
  void keep(Addr at, Bytes bytes);

  // From now on at most so many bytes of blocks are kept; what is allocated stays.
  void limit(u64 capacity_bytes) { capacity_bytes_ = std::min(capacity_bytes_, capacity_bytes); }

  // Forgets every block.
  void clear();

  u64 hits() const { return hits_; }
  u64 misses() const { return misses_; }
  u64 kept_bytes() const { return kept_bytes_; }            // blocks
  u64 allocated_bytes() const { return allocated_bytes_; }  // chunks; never above the capacity

 private:
  struct Chunk {
    std::unique_ptr<std::byte[]> bytes;
    u64 size = 0;
  };
  struct Block {
    Range range;
    const std::byte* bytes = nullptr;
  };
  // An empty slot has page_plus_one 0. A page may have several slots: blocks may share a page.
  struct Slot {
    u64 page_plus_one = 0;
    u32 block = 0;
  };

  const std::byte* find(Range range) const;
  const std::byte* find_and_count(Range range) const;
  std::byte* reserve(u64 size) const;
  void note(Range range, const std::byte* bytes) const;
  void insert(Slot slot) const;
  void grow_table(u64 more_slots) const;
  u64 first_slot(u64 page_plus_one) const;

  const Memory& inner_;
  u64 capacity_bytes_;
  mutable std::vector<Chunk> chunks_;
  mutable std::size_t chunk_ = 0;  // the one that is being filled
  mutable u64 chunk_used_ = 0;
  mutable u64 allocated_bytes_ = 0;
  mutable u64 kept_bytes_ = 0;
  mutable std::vector<Block> blocks_;
  mutable std::vector<Slot> slots_;  // a power of two of them
  mutable u64 used_slots_ = 0;
  mutable u64 hits_ = 0;
  mutable u64 misses_ = 0;
  mutable std::vector<Range> expected_;
};

}  // namespace orphan
