// SPDX-License-Identifier: Apache-2.0
// What each page of the machine is used for, finer than a scan has to know: every page frame has exactly one kind.
//
// A page that nothing refers to (refcount 0) and that is in no free block may be on a CPU's list of free pages, or on its way
// somewhere; or it is a later page of a block of several that was allocated without __GFP_COMP: only the first page of such a
// block counts references. find_tails() tells the latter by the page in front of them.
#pragma once
#include <array>

#include "kernel/page_map.h"

namespace orphan::kernel {

enum class PageKind : u8 {
  Buddy,       // in a free block
  Unused,      // refcount 0 elsewhere
  Slab,        //
  Kmalloc,     // large kmalloc, where the kernel marks it
  Compound,    // of the kernel's own: large kmalloc where the kernel does not mark it, or alloc_pages(__GFP_COMP)
  Plain,       // of the kernel's own
  PagePool,    // receive buffers of network drivers
  Anonymous,   //
  AnonHuge,    // a transparent huge page
  File,        //
  Shmem,       //
  Hugetlb,     // in use or in the pool
  Movable,     // of the kernel's own, with functions to move it: zsmalloc before it had a type
  Detached,    // on the LRU lists, and belongs to no file
  Table,       // a page table
  Offline,     // of a balloon or of memory that is not plugged in
  Guard,       //
  Zsmalloc,    //
  Unaccepted,  // by a confidential guest
  OtherType,   //
  Reserved,    // kernel image, boot memory, holes
  Poisoned,    // its descriptor was never filled: memory that is not online
  Changed,     // a tail without its head, or a slab that is none any more: it changed while it was read
  Unread,      // its descriptor could not be read
};
inline constexpr std::size_t kPageKinds = 24;

// Whether the page whose descriptor this is is a receive buffer of a network driver.
bool is_in_page_pool(Bytes descriptor, const PageLayout& page);

class PageKinds : public PageVisitor {
 public:
  PageKinds(const PageLayout& page, const AddressSpace& space);

  void visit(u64 frame, u64 pages, PageClass kind, Bytes descriptors) override;
  void unread(u64 frame, u64 pages) override;

  // Unused pages behind a plain page become plain, as later pages of its block. Pages on CPUs' lists are to be taken first.
  void find_tails();
  // How many pages, a power of two, the plain block has that begins at `frame`.
  u64 plain_block_pages(u64 frame) const;

  u64 count(PageKind kind) const { return pages_[static_cast<std::size_t>(kind)]; }
  u64 total() const;
  // The kind of a page that may be taken away (one of Plain, Compound, Unused, Reserved); nothing for others.
  std::optional<PageKind> takable(u64 frame) const;
  // Takes the page out of its kind: the caller accounts for it. False when it is not of that kind.
  bool take(u64 frame, PageKind kind);
  bool is_tail(u64 frame) const { return tails_.test(frame); }
  const FrameBits& plain() const { return plain_; }
  const FrameBits& compound() const { return compound_; }

 private:
  PageKind kind_of(PageClass kind, u64 pages, Bytes descriptors) const;
  PageKind user_kind(u64 pages, Bytes descriptors) const;
  PageKind typed_kind(PageType type) const;
  bool is_hugetlb(PageType type, u64 pages, Bytes descriptors) const;
  FrameBits* bits_of(PageKind kind);
  const FrameBits* bits_of(PageKind kind) const { return const_cast<PageKinds*>(this)->bits_of(kind); }

  const PageLayout& page_;
  std::array<u64, kPageKinds> pages_{};
  FrameBits plain_, compound_, unused_, reserved_, tails_;
};

}  // namespace orphan::kernel
