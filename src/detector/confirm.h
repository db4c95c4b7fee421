// SPDX-License-Identifier: Apache-2.0
// A leak is monotone: what nothing points to stays so until it is freed. So a leak is live, unreferenced and unchanged from the
// pass on that sees it first. Torn reads of a target that moves differ from pass to pass and drop out; a stale word that hides a
// leak in one pass hides it only until it is overwritten.
//
// Two passes that see the same are enough. A target that moved between them is a busy one: there an address that is allocated
// and freed all the time can be unreferenced and the same twice, and a leak has to be so in three passes.
//
// What is kept between passes is some bits for each slot of the spans that have candidates, and a checksum for each candidate.
#pragma once
#include <vector>

#include "memory/memory.h"
#include "scan/snapshot.h"

namespace orphan {

// The kernel's crc32: reflected polynomial 0xEDB88320, no inversion at either end. All zeros with seed 0 give 0.
u32 kernel_crc32(u32 seed, Bytes bytes);

class Confirmation {
 public:
  // Takes the blocks of `unreferenced` (one bit a slot of `snapshot`) as this pass's candidates; those that were candidates in
  // the pass before (from the third pass on: in the two before), with the same contents, are confirmed. A block whose contents
  // cannot be read is no candidate. A span that is a root in this pass (it could not be judged) keeps the candidates that it had,
  // as they were.
  Result<void> add_pass(const Snapshot& snapshot, const BitVector& unreferenced, const Memory& memory);

  // The confirmed ones that the last pass judged and that are in `spared` (bits of its slots) do not count in this pass:
  // something refers to them that is not confirmed itself, and may be in use.
  void spare(const BitVector& spared);
  // Drops the confirmed ones for which is_gone(candidate) is true.
  template <typename F>
  void drop_if(F&& is_gone) {
    for_each_bit([&](const Kept& kept, u64 bit, u32 checksum) {
      if (!counts(bit) || !is_gone(candidate(kept, bit, checksum))) return;
      twice_.clear(bit);
      thrice_.clear(bit);
    });
    recount();
  }
  // Sets the bit of each confirmed block in the last pass, whose snapshot had so many slots.
  BitVector confirmed(u64 slots) const;

  u32 passes() const { return passes_; }
  // Confirmed, and not spared.
  u64 count() const { return count_; }
  // Whether the last two passes agree. After the second: they saw the same candidates. Later: what is confirmed is the same, and
  // nothing waits for a third time; then candidates that the last pass saw for the first time are no reason to go on, a busy
  // target always has some.
  bool is_settled() const {
    if (passes_ < 2 || lost_ != 0 || undecided_ != 0) return false;
    return passes_ == 2 ? fresh_ == 0 : count_ == count_before_ && waiting_ == 0;
  }

  struct Candidate {
    Addr address;
    u64 size_bytes = 0;
    u32 owner = 0;
    u32 checksum = 0;
    u64 slot = 0;                // in the last snapshot
    bool is_replicated = false;  // `address` is what the copy offsets are added to
    bool was_judged = true;      // in the last pass; false: its span was a root then
    bool is_from_first = false;  // it was a candidate in every pass, with the same contents
  };
  // Calls f(candidate) for each that is confirmed and not spared, in ascending order of their places in the last snapshot, which
  // is not needed any more.
  template <typename F>
  void for_each(F&& f) const {
    for_each_bit([&](const Kept& kept, u64 bit, u32 checksum) {
      if (counts(bit)) f(candidate(kept, bit, checksum));
    });
  }

 private:
  struct Kept {
    Addr start;
    u32 slots = 0;
    u32 owner = 0;
    u64 stride_bytes = 0, object_bytes = 0;
    bool is_replicated = false;
    bool was_judged = true;  // in the last pass
    u64 first_slot = 0;      // in the last snapshot
    u64 first_bit = 0;       // in the bit vectors
    u64 first_checksum = 0;  // in checksums_

    bool is_same_place(const Kept& other) const {
      return start == other.start && slots == other.slots && stride_bytes == other.stride_bytes && owner == other.owner;
    }
  };

  // Those that are confirmed in the last pass.
  const BitVector& confirmed() const { return passes_ > 2 ? thrice_ : twice_; }
  bool counts(u64 bit) const { return confirmed().test(bit) && !spared_.test(bit); }
  Candidate candidate(const Kept& kept, u64 bit, u32 checksum) const {
    return {kept.start + (bit - kept.first_bit) * kept.stride_bytes,
            kept.object_bytes,
            kept.owner,
            checksum,
            kept.first_slot + (bit - kept.first_bit),
            kept.is_replicated,
            kept.was_judged,
            from_first_.test(bit)};
  }
  // Calls f(kept, bit, checksum) for each candidate.
  template <typename F>
  void for_each_bit(F&& f) const {
    u64 n = 0;
    for (const Kept& kept : kept_) {
      candidates_.for_each(kept.first_bit, kept.slots, [&](u64 bit) { f(kept, bit, checksums_[n++]); });
    }
  }
  void recount();

  class Pass;

  u32 passes_ = 0;
  u64 count_ = 0, count_before_ = 0;
  u64 fresh_ = 0;             // candidates that the last pass saw for the first time
  u64 lost_ = 0;              // of the confirmed ones (in the second pass: of the candidates), in the last pass
  u64 undecided_ = 0;         // candidates that the last pass could not judge and that are not confirmed
  u64 waiting_ = 0;           // seen twice, where a third time is needed
  std::vector<Kept> kept_;    // as the snapshot has them; only spans with candidates
  BitVector candidates_;      // of the last pass
  BitVector twice_, thrice_;  // of these: seen in so many passes or more, one after the other
  BitVector spared_;
  BitVector from_first_;  // candidates of all passes
  std::vector<u32> checksums_;
};

}  // namespace orphan
