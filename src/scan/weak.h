// SPDX-License-Identifier: Apache-2.0
// Weak references: words that are no plain pointers to a block and that nevertheless may be how somebody keeps it. They are
// looked for once, and only for the few blocks that nothing refers to, so that a form may be tried which would be noise
// elsewhere.
//
// How: every word that would be a weak reference to one of the targets is written down beforehand, in a sorted table with a
// bit filter in front of it; a word of memory costs a multiplication and a test for most forms together. Where a form leads
// outside of the block, no other block's place may be there, in use or free: a pointer to the end of a block mostly is one to the
// start of the next, and stale pointers to what was freed are everywhere.
#pragma once
#include <functional>

#include "memory/memory.h"
#include "scan/block_index.h"

namespace orphan {

enum class WeakForm : u8 {
  OnePastEnd,       // the address behind its last byte
  BeforeStart,      // one to eight bytes below its start: a base that is biased, or flag bits that were subtracted
  PageDescriptor,   // the descriptor of a page, with an offset and a length behind it that are within the block (struct bio_vec)
  PhysicalAddress,  // of its start; not of the lowest, and not of a page
  FrameNumber,      // of its first page; only of blocks that fill pages, and not of the lowest frames
  Tagged,           // the address of its start, with other bits above those that an address needs
  Unaligned,        // the address of its start, not at a multiple of eight
};
inline constexpr std::size_t kWeakForms = 7;
// "one-past-end", "before-start", "page-descriptor", "physical-address", "frame-number", "tagged", "unaligned": stable words of
// the JSON output.
const char* to_string(WeakForm form);

// Smaller numbers are integers like many others: physical addresses of the first 16 MiB, frame numbers of the first 4 GiB.
inline constexpr u64 kLowestPhysical = 16 << 20;
inline constexpr u64 kLowestFrameNumber = 1 << 20;
// What is divisible by it is a time in nanoseconds, or a limit, sooner than a physical address.
inline constexpr u64 kRoundNumber = 1'000'000;

struct WeakReference {
  Addr at;  // where it stands; 0: not known
  u64 word = 0;
  BlockRef to;
  WeakForm form = WeakForm::OnePastEnd;
};

// What is to be known of the address space, besides what the snapshot says.
struct WeakSpace {
  Range paged;                 // the linear map, where pages beside a block may be anybody's
  u64 physical_start = 0;      // physical address of paged.start
  unsigned address_bits = 48;  // of an address; the bits above repeat the highest of these
};

struct WeakSearch {
  WeakSpace space;
  const BitVector* targets = nullptr;  // bits of slots: weak references to these are reported
  const BitVector* sources = nullptr;  // bits of live slots: these blocks are searched, and the roots
  std::function<bool()> keep_going;    // asked now and then; absent: never stops
  bool are_pages = false;              // the targets: then their physical addresses count, though sizes and limits look like that
};

// Calls `found` for each weak reference, those in the roots first. A block's references to itself are left out. Interrupted when
// keep_going says no.
Result<void> find_weak_references(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                                  const WeakSearch& search, const std::function<void(const WeakReference&)>& found);

}  // namespace orphan
