// SPDX-License-Identifier: Apache-2.0
// Which of the blocks that nothing refers to may be in use all the same: those that something refers to weakly (scan/weak.h), and
// what hangs below them. A word has to be the same when the candidates have been looked at again (recheck.h).
#pragma once
#include <map>

#include "detector/confirm.h"
#include "kernel/look.h"
#include "scan/mark.h"
#include "scan/weak.h"

namespace orphan::kernel {

struct WeakBlocks {
  BitVector slots;                          // of the look's snapshot; empty: there are none, or nobody looked
  std::map<u64, WeakReference> references;  // by slot: one to each that has any; what only hangs below has none

  bool contains(u64 slot) const { return slot < slots.size() && slots.test(slot); }
};

WeakSpace weak_space(const AddressSpace& space);

// Of the blocks that a confirmation holds after its last pass.
class WeakFinder {
 public:
  // `look` is that of the last pass, `marked` what it reached. Both must outlive this.
  WeakFinder(const Look& look, const KernelMemory& memory, MarkResult& marked) : look_(look), memory_(memory), marked_(marked) {}

  // The candidates are pages of the page allocator.
  void take_pages() { are_pages_ = true; }
  // Interrupted when keep_going says no.
  Result<void> search(const Confirmation& confirmation, const std::function<bool()>& keep_going);
  // What is found, and stands where it stood, is added to what was reached.
  Result<WeakBlocks> finish();

 private:
  const Look& look_;
  const KernelMemory& memory_;
  MarkResult& marked_;
  bool are_pages_ = false;
  BitVector candidates_;
  std::multimap<u64, WeakReference> found_;  // by slot
};

}  // namespace orphan::kernel
