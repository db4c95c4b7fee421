// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_kinds.h"

#include <numeric>

namespace orphan::kernel {
namespace {

constexpr u64 kHugePages = 512;  // of 4 KiB in a transparent huge page that one entry of a page table maps

// The lowest bits of page->mapping (v4.8, bda807d44454).
constexpr u64 kAnonymousBit = 1, kMovableBit = 2, kMappingBits = 3;
constexpr u64 kPagePoolMagic = 0xdead'0000'0000'0040;  // v5.14, c07aea3ef4d4: PP_SIGNATURE, its two lowest bits are free
constexpr u64 kPoisoned = ~u64{0};                     // v4.19, f682a97a0059: PAGE_POISON_PATTERN

}  // namespace

bool is_in_page_pool(Bytes descriptor, const PageLayout& page) {
  if (!page.page_pool_magic) return false;
  return (load<u64>(descriptor, *page.page_pool_magic).value_or(0) & ~u64{3}) == kPagePoolMagic;
}

PageKinds::PageKinds(const PageLayout& page, const AddressSpace& space) : page_(page) {
  Range linear = space.linear_span();
  for (FrameBits* bits : {&plain_, &compound_, &unused_, &reserved_, &tails_}) {
    bits->first_frame = (linear.start - space.linear_map) / kPageBytes;
    bits->bits.resize(linear.size_bytes / kPageBytes);
  }
}

void PageKinds::visit(u64 frame, u64 pages, PageClass page_class, Bytes descriptors) {
  PageKind kind = kind_of(page_class, pages, descriptors);
  pages_[static_cast<std::size_t>(kind)] += pages;
  if (FrameBits* bits = bits_of(kind)) bits->bits.set_range(frame - bits->first_frame, pages);
}

void PageKinds::unread(u64, u64 pages) {
  pages_[static_cast<std::size_t>(PageKind::Unread)] += pages;
}

PageKind PageKinds::kind_of(PageClass kind, u64 pages, Bytes descriptors) const {
  PageType type = page_type(load<u32>(descriptors, page_.page_type).value_or(0), page_);
  switch (kind) {
    case PageClass::Free:
      if (type == PageType::Buddy) return PageKind::Buddy;
      // hugetlb's pool keeps its free pages without references.
      return is_hugetlb(type, pages, descriptors) ? PageKind::Hugetlb : PageKind::Unused;
    case PageClass::Slab: return PageKind::Slab;
    case PageClass::Compound:
      if (type == PageType::LargeKmalloc) return PageKind::Kmalloc;
      if (is_in_page_pool(descriptors, page_)) return PageKind::PagePool;
      return is_hugetlb(type, pages, descriptors) ? PageKind::Hugetlb : PageKind::Compound;
    case PageClass::Plain: return is_in_page_pool(descriptors, page_) ? PageKind::PagePool : PageKind::Plain;
    case PageClass::Reserved: return PageKind::Reserved;
    case PageClass::User: return is_hugetlb(type, pages, descriptors) ? PageKind::Hugetlb : user_kind(pages, descriptors);
    case PageClass::Typed: return typed_kind(type);
    case PageClass::Tail: return load<u64>(descriptors, page_.flags) == kPoisoned ? PageKind::Poisoned : PageKind::Changed;
  }
  bug("no such page class");
}

PageKind PageKinds::user_kind(u64 pages, Bytes descriptors) const {
  u64 mapping = load<u64>(descriptors, page_.mapping).value_or(0);
  if ((mapping & kAnonymousBit) != 0) return pages >= kHugePages ? PageKind::AnonHuge : PageKind::Anonymous;
  if ((mapping & kMappingBits) == kMovableBit) return PageKind::Movable;
  if (mapping == 0) return PageKind::Detached;
  u64 flags = load<u64>(descriptors, page_.flags).value_or(0);
  bool is_swap_backed = page_.bit_swap_backed && (flags >> *page_.bit_swap_backed & 1) != 0;
  return is_swap_backed ? PageKind::Shmem : PageKind::File;
}

PageKind PageKinds::typed_kind(PageType type) const {
  switch (type) {
    case PageType::Table: return PageKind::Table;
    case PageType::Offline: return PageKind::Offline;
    case PageType::Guard: return PageKind::Guard;
    case PageType::Zsmalloc: return PageKind::Zsmalloc;
    case PageType::Unaccepted: return PageKind::Unaccepted;
    case PageType::Hugetlb: return PageKind::Hugetlb;
    case PageType::None:
    case PageType::Buddy:
    case PageType::Slab:
    case PageType::LargeKmalloc:
    case PageType::Other: return PageKind::OtherType;
  }
  bug("no such page type");
}

bool PageKinds::is_hugetlb(PageType type, u64 pages, Bytes descriptors) const {
  if (page_.type_hugetlb) return type == PageType::Hugetlb;
  if (pages == 1 || !page_.hugetlb_mark) return false;
  u64 at = u64{page_.size_bytes} + *page_.hugetlb_mark;
  if (page_.hugetlb_bit) return (load<u64>(descriptors, at).value_or(0) >> *page_.hugetlb_bit & 1) != 0;
  return load<u8>(descriptors, at) == page_.hugetlb_destructor;
}

FrameBits* PageKinds::bits_of(PageKind kind) {
  if (kind == PageKind::Plain) return &plain_;
  if (kind == PageKind::Compound) return &compound_;
  if (kind == PageKind::Unused) return &unused_;
  return kind == PageKind::Reserved ? &reserved_ : nullptr;
}

u64 PageKinds::total() const {
  return std::accumulate(pages_.begin(), pages_.end(), u64{0});
}

std::optional<PageKind> PageKinds::takable(u64 frame) const {
  for (PageKind kind : {PageKind::Plain, PageKind::Compound, PageKind::Unused, PageKind::Reserved}) {
    if (bits_of(kind)->test(frame)) return kind;
  }
  return std::nullopt;
}

bool PageKinds::take(u64 frame, PageKind kind) {
  FrameBits* bits = bits_of(kind);
  if (bits == nullptr || !bits->test(frame)) return false;
  bits->clear_range(frame, 1);
  --pages_[static_cast<std::size_t>(kind)];
  return true;
}

void PageKinds::find_tails() {
  u64 first = unused_.first_frame;
  for (u64 bit = unused_.bits.find_from(0); bit < unused_.bits.size(); bit = unused_.bits.find_from(bit)) {
    u64 frame = first + bit;
    u64 tails = frame > first && plain_.test(frame - 1) && !tails_.test(frame - 1) ? tail_pages(unused_, frame - 1) : 0;
    for (u64 i = 0; i < tails; ++i) {
      take(frame + i, PageKind::Unused);
      plain_.set(frame + i);
      tails_.set(frame + i);
      ++pages_[static_cast<std::size_t>(PageKind::Plain)];
    }
    bit += std::max<u64>(tails, 1);
  }
}

u64 PageKinds::plain_block_pages(u64 frame) const {
  u64 pages = 1;
  while (plain_.test(frame + pages) && tails_.test(frame + pages)) ++pages;
  return pages;
}

}  // namespace orphan::kernel
