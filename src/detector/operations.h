// SPDX-License-Identifier: Apache-2.0
// What kmemleak can be told about memory, as one interface. The calls have kmemleak's names and its rules for arguments:
// addresses that are 0 or an error code are ignored, except physical ones; "exact" means the first byte of a block, and a call
// with another of its bytes does nothing but warn; where nothing is said of blocks that are not known, nothing happens.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "base/addr.h"

namespace orphan {

// Who tells it, and when.
struct Origin {
  i64 now_ns = 0;
  i32 pid = 0;
  std::string_view comm = {};        // its first 15 bytes
  std::span<const Addr> stack = {};  // its first 16 frames
  std::optional<u64> born = {};      // a stamp of the allocation, of any unit
};

class Operations {
 public:
  // For scan_area(): up to the end of the block.
  static constexpr u64 kToTheEnd = ~u64{0};

  virtual ~Operations() = default;

  // A block that needs `min_count` references not to be a leak: 0 makes it a root, -1 ignores it. A block without bytes is kept,
  // and nothing finds it any more.
  virtual void alloc(Range block, i32 min_count, const Origin& origin) = 0;
  // A __percpu pointer and the size of each copy.
  virtual void alloc_percpu(Range block, const Origin& origin) = 0;
  // A root, by physical addresses; 0 is one.
  virtual void alloc_phys(Range block, const Origin& origin) = 0;
  // A block that needs two references. Those that the block at `area` (exact; warns where it is not known) gets beyond what it
  // needs count for the new one.
  virtual void vmalloc(Addr area, Range block, const Origin& origin) = 0;
  // The same, or nothing for memory of a cache that is not to be traced.
  void alloc_recursive(Range block, i32 min_count, bool no_leak_trace, const Origin& origin) {
    if (!no_leak_trace) alloc(block, min_count, origin);
  }
  void free_recursive(Addr start, bool no_leak_trace) {
    if (!no_leak_trace) free(start);
  }

  // Exact.
  virtual void free(Addr start) = 0;
  virtual void free_percpu(Addr start) = 0;
  // Frees as much of `part` as is in the block that has its first byte. What remains of that block before and behind it becomes
  // new blocks, from now and `origin` on, of which only the min_count is the old one's.
  virtual void free_part(Range part, const Origin& origin) = 0;
  virtual void free_part_phys(Range part, const Origin& origin) = 0;

  // Exact. Never a leak, but a root.
  virtual void not_leak(Addr start) = 0;
  // Exact; warns where it is not known. The next scan that finds it unreferenced spares it.
  virtual void transient_leak(Addr start) = 0;
  // Exact. Never a leak, never scanned from now on, whatever comes later, and references to it change nothing.
  virtual void ignore(Addr start) = 0;
  virtual void ignore_percpu(Addr start) = 0;
  virtual void ignore_phys(Addr start) = 0;

  // Of the block that has the first byte of `area`, only its areas are scanned from now on. Warns where none has it, and where
  // the area reaches beyond the block: then it is not added. One without bytes is ignored.
  virtual void scan_area(Range area) = 0;
  // Exact; warns where it is not known. Its contents are not scanned; it may still be a leak.
  virtual void no_scan(Addr start) = 0;
  // Any byte of it. This is the stack that counts from now on.
  virtual void update_trace(Addr at, std::span<const Addr> stack) = 0;

  // A variable whose block is gone holds no reference any more.
  static void erase(Addr& pointer) { pointer = Addr(); }
};

}  // namespace orphan
