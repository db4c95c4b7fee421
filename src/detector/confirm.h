// SPDX-License-Identifier: Apache-2.0
// A leak is monotone: what nothing points to stays so until it is freed. So a candidate must be live, unreferenced and
// unchanged in every pass; torn reads of a target that moves differ from pass to pass and drop out.
//
// What is kept between passes is a bit for each slot of the spans that have candidates, and a checksum for each candidate.
#pragma once
#include <vector>

#include "memory/memory.h"
#include "scan/snapshot.h"

namespace orphan {

// The kernel's crc32: reflected polynomial 0xEDB88320, no inversion at either end. All zeros with seed 0 give 0.
u32 kernel_crc32(u32 seed, Bytes bytes);

class Confirmation {
 public:
  // Takes the blocks of `unreferenced` (one bit a slot of `snapshot`) as this pass's candidates, less those that were none
  // in the pass before or have changed since. A block whose contents cannot be read is no candidate. A span that is a root
  // in this pass (it could not be judged) keeps the candidates that it had.
  Result<void> add_pass(const Snapshot& snapshot, const BitVector& unreferenced, const Memory& memory);

  // Drops the candidates for which is_gone(candidate) is true.
  template <typename F>
  void drop_if(F&& is_gone) {
    erase([&](const Kept& kept, u64 bit, u32 checksum) { return kept.judged >= 2 && is_gone(candidate(kept, bit, checksum)); });
  }
  // Drops the last pass's candidates that are in `spared` (bits of that pass's slots), but for those that it did not judge.
  void drop(const BitVector& spared);
  // Sets the bit of each candidate of the last pass, whose snapshot had so many slots.
  BitVector candidates(u64 slots) const;

  u32 passes() const { return passes_; }
  u64 count() const { return count_; }
  // Whether the last pass changed nothing, and every candidate has been judged twice.
  bool is_settled() const { return passes_ >= 2 && count_ == count_before_ && undecided_ == 0; }

  // A block that was unreferenced and unchanged in every pass.
  struct Candidate {
    Addr address;
    u64 size_bytes = 0;
    u32 owner = 0;
    u32 checksum = 0;
    bool is_replicated = false;  // `address` is what the copy offsets are added to
    bool was_judged = true;      // in the last pass; false: its span was a root then
  };
  // Calls f(candidate) for each that two passes at least have judged, in ascending order of their places in the last snapshot,
  // which is not needed any more.
  template <typename F>
  void for_each(F&& f) const {
    u64 n = 0;
    for (const Kept& kept : kept_) {
      candidates_.for_each(kept.first_bit, kept.bits, [&](u64 bit) {
        u32 checksum = checksums_[n++];
        if (kept.judged < 2) return;
        f(candidate(kept, bit, checksum));
      });
    }
  }

 private:
  struct Kept {
    Addr start;
    u32 slots = 0;
    u32 bits = 0;  // in candidates_: one a slot, or none at all
    u32 owner = 0;
    u64 stride_bytes = 0, object_bytes = 0;
    bool is_replicated = false;
    bool was_judged = true;  // in the last pass
    u32 judged = 0;          // passes that judged it; 0: none yet, it has no candidates but may get some
    u64 first_slot = 0;      // in the last snapshot
    u64 first_bit = 0;       // in candidates_
    u64 first_checksum = 0;  // in checksums_

    bool is_same_place(const Kept& other) const {
      return start == other.start && slots == other.slots && stride_bytes == other.stride_bytes && owner == other.owner;
    }
  };

  static Candidate candidate(const Kept& kept, u64 bit, u32 checksum) {
    return {kept.start + (bit - kept.first_bit) * kept.stride_bytes,
            kept.object_bytes,
            kept.owner,
            checksum,
            kept.is_replicated,
            kept.was_judged};
  }
  // Drops the candidates for which is_dropped(kept, bit, checksum) is true.
  template <typename F>
  void erase(F&& is_dropped) {
    std::vector<u32> left;
    u64 n = 0;
    for (Kept& kept : kept_) {
      u64 first = left.size();
      candidates_.for_each(kept.first_bit, kept.bits, [&](u64 bit) {
        u32 checksum = checksums_[n++];
        if (is_dropped(kept, bit, checksum))
          candidates_.clear(bit);
        else
          left.push_back(checksum);
      });
      kept.first_checksum = first;
    }
    checksums_ = std::move(left);
    count_ = checksums_.size();
  }

  class Pass;

  u32 passes_ = 0;
  u64 count_ = 0, count_before_ = 0;
  u64 undecided_ = 0;       // spans that fewer than two passes have judged
  std::vector<Kept> kept_;  // as the snapshot has them
  BitVector candidates_;
  std::vector<u32> checksums_;
};

}  // namespace orphan
