// SPDX-License-Identifier: Apache-2.0
// Have the contents of a block changed? Its checksum tells: the one that kmemleak prints.
#pragma once
#include <optional>
#include <vector>

#include "memory/memory.h"
#include "scan/snapshot.h"

namespace orphan {

// The kernel's crc32: reflected polynomial 0xEDB88320, no inversion at either end. All zeros with seed 0 give 0.
u32 kernel_crc32(u32 seed, Bytes bytes);

// A checksum in half the room, where very many are kept.
inline u16 folded(u32 checksum) {
  return static_cast<u16>(checksum ^ checksum >> 16);
}

// Where the contents of one block are.
struct BlockPlace {
  Addr start;
  u64 size_bytes = 0;
  bool is_replicated = false;  // `start` is what the copy offsets are added to
};

// Checksums of blocks as they are now. Blocks that share a small span are read together, once. Other errors than NotMapped are
// given back; nothing: the contents cannot be read.
class Checksummer {
 public:
  // All must outlive this.
  Checksummer(const Memory& memory, std::span<const u64> copy_offsets);

  Result<std::optional<u32>> of(const BlockPlace& block);
  // The same of a slot of `span`; in between, `snapshot` must stay as it is.
  Result<std::optional<u32>> of(const Snapshot& snapshot, const Span& span, u64 slot);

  // From now on blocks are read anew: neither what was read so far counts, nor what the memory may have kept.
  void read_anew() {
    read_ = nullptr;
    reads_anew_ = true;
  }

 private:
  Result<Bytes> read(Addr at, std::span<std::byte> buffer) const;
  Result<std::optional<u32>> in_pieces(u32 sum, Range range);

  const Memory& memory_;
  std::span<const u64> copy_offsets_;
  std::vector<std::byte> buffer_;
  const Span* read_ = nullptr;
  bool reads_anew_ = false;
  Bytes contents_;
};

}  // namespace orphan
