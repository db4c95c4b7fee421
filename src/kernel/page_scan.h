// SPDX-License-Identifier: Apache-2.0
// The kernel's own pages in a scan that takes them for blocks. For every other block they stay roots, so that one that only a
// page refers to is judged as it is without: first it is marked from the other roots, which says what pages are referred to; then
// from the pages that are left over as well.
//
// A page is in use far more often than a heap object by something that cannot be seen, and never marked as such by the allocator.
// So more is asked of it: its descriptor has to stay as it is for as long as it is looked at.
//
// The kernel's large tables are blocks that were split into pages, so that what was too much could be given back
// (alloc_pages_exact): a variable of the image points at the first page, and nothing at those behind it. Pages that lie behind
// such a page, one after the other as far as its alignment allows a block, are taken for the rest of its table.
#pragma once
#include "detector/confirm.h"
#include "kernel/look.h"
#include "kernel/weak_blocks.h"
#include "scan/mark.h"

namespace orphan::kernel {

class PageScan {
 public:
  PageScan(const Kernel& kernel, const Owners& owners);

  // `marked` is what is reached from the roots; what is reached from pages is added to it.
  Result<void> split(const Look& look, const Memory& memory, MarkResult& marked);
  // Ends a pass. `in_doubt`: blocks that nothing refers to and that are no leaks yet; what hangs below them, or below such pages,
  // is spared.
  Result<void> add_pass(const Look& look, const Memory& memory, BitVector in_doubt);

  Confirmation& confirmation() { return confirmation_; }
  // Those of them that something refers to weakly, or that hang below such blocks, `weak_blocks` of other allocators among them;
  // of the last pass, when it was whole. Two steps, as WeakFinder's.
  Result<void> search_weakly(const Look& look, const KernelMemory& memory, const std::function<bool()>& keep_going);
  Result<void> find_weak(const Look& look, const Memory& memory, const BitVector& weak_blocks);
  bool is_weak(u64 slot) const { return slot < weak_.size() && weak_.test(slot); }

  // Of the last pass that was whole.
  Tally referenced() const { return referenced_; }
  Tally unreferenced() const { return unreferenced_; }

 private:
  bool is_page(const Snapshot& snapshot, const Span& span) const;
  Result<void> reach_tables(const Look& look, const Memory& memory, MarkResult& marked) const;

  const Owners& owners_;
  Addr linear_map_;
  Range image_;  // in the linear map, with the kernel's data
  Confirmation confirmation_;
  std::optional<MarkResult> marked_;  // without what is reached from pages only
  BitVector unreached_;               // pages, of the pass that is being made
  Tally now_referenced_, now_unreferenced_;
  Tally referenced_, unreferenced_;
  std::optional<WeakFinder> weak_finder_;
  BitVector weak_;
};

// Looks at the descriptors of pages again and again: who uses a page changes its descriptor sooner or later.
class PageRecheck {
 public:
  PageRecheck(const KernelMemory& memory, const PageLayout& page, std::vector<Addr> pages);

  void look();
  // Whether the page was not the kernel's own from the beginning (it is mapped by a process, or belongs to a driver's pool of
  // buffers), or its descriptor has changed since.
  bool was_used(Addr page) const;

 private:
  bool is_own(Bytes descriptor) const;
  Addr descriptor_of(Addr page) const;

  const KernelMemory& memory_;
  const PageLayout& page_;
  std::vector<Addr> pages_;      // ascending
  std::vector<std::byte> seen_;  // their descriptors at first
  std::vector<bool> was_used_;
};

}  // namespace orphan::kernel
