// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_map.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

// Descriptors are read in pieces of this many pages, so that a large free block spares reading what follows its head.
constexpr u64 kPiecePages = 256;
constexpr u64 kMaxBlockPages = 1 << 10;  // the buddy allocator's largest block on x86-64
constexpr u64 kMaxOrder = 18;            // a 1 GiB compound page

// Page types up to 6.9: a page that is not mapped to user space keeps them in the word that counts mappings otherwise, as
// cleared bits of a value whose top four bits are set (v4.18, 6e292b9be7f4).
constexpr u32 kOldTypeBase = 0xf000'0000;
constexpr u32 kOldTypeBuddy = 0x80;
constexpr u32 kOldTypeOffline = 0x100, kOldTypeTable = 0x200, kOldTypeGuard = 0x400;
constexpr u32 kOldTypesOther = kOldTypeOffline | kOldTypeTable | kOldTypeGuard;

enum class ReadFor : u8 { Scan, ScanOfPages, Account };

// Three readers: that of a scan shall not pay for what only the others want.
template <ReadFor kFor>
class MapReader {
  static constexpr bool kVisits = kFor == ReadFor::Account;

 public:
  MapReader(const KernelMemory& memory, const PageLayout& page, const SlabLayout& slab, WordPlaces places, PageVisitor* visitor)
      : memory_(memory),
        page_(page),
        slab_(slab),
        places_(places),
        visitor_(visitor),
        buffer_((kPiecePages + 1) * page.size_bytes) {
    Range linear = linear_ = memory.space().linear_span();
    first_frame_ = (linear.start - memory.space().linear_map) / kPageBytes;
    descriptors_ = {memory.space().page_descriptors + first_frame_ * page.size_bytes,
                    linear.size_bytes / kPageBytes * page.size_bytes};
    map_.plain.first_frame = map_.reserved.first_frame = map_.unused.first_frame = first_frame_;
    map_.plain.bits.resize(linear.size_bytes / kPageBytes);
    map_.reserved.bits.resize(linear.size_bytes / kPageBytes);
    map_.unused.bits.resize(linear.size_bytes / kPageBytes);
  }

  Result<PageMap> run(const std::function<bool()>& keep_going) {
    for (Range range : memory_.space().ram) {
      u64 frame = (align_up(range.start.value, kPageBytes) - memory_.space().linear_map.value) / kPageBytes;
      u64 end = (range.end() - memory_.space().linear_map) / kPageBytes;
      while (frame < end) {
        if (keep_going && !keep_going()) return Error(ErrorCode::Interrupted, "reading the memory map");
        frame = read_piece(frame, end);
      }
    }
    return std::move(map_);
  }

 private:
  // Reads and classifies descriptors from `frame` on; returns the first frame that is left to do.
  u64 read_piece(u64 frame, u64 end) {
    u64 count = std::min(kPiecePages, end - frame);
    // One descriptor more than is classified: a compound head's order stands in the one behind it.
    u64 extra = frame + count < end ? 1 : 0;
    Addr at = memory_.space().page_descriptors + frame * page_.size_bytes;
    // Not by view(): a reader that keeps what it read would answer with it when a slab's descriptor is read again.
    auto bytes = std::span(buffer_).first((count + extra) * page_.size_bytes);
    if (!memory_.read(at, bytes)) {
      map_.unread_descriptors += count;
      if constexpr (kVisits) visitor_->unread(frame, count);
      return frame + count;
    }
    u64 done = 0;
    while (done < count) {
      Bytes descriptor = bytes.subspan(done * page_.size_bytes);
      u64 covered = classify(frame + done, descriptor, end - frame - done);
      if constexpr (kVisits) visitor_->visit(frame + done, covered, kind_, descriptor);
      done += covered;
    }
    return frame + done;
  }

  u64 word(Bytes descriptor, Offset offset) const { return load_unchecked<u64>(descriptor.data() + offset); }
  u32 half(Bytes descriptor, Offset offset) const { return load_unchecked<u32>(descriptor.data() + offset); }

  u64 count(PageClass kind, u64 pages) {
    map_.pages[static_cast<std::size_t>(kind)] += pages;
    if constexpr (kVisits) kind_ = kind;
    return pages;
  }

  // Classifies the page and returns how many pages that settles (at most `left`).
  u64 classify(u64 frame, Bytes descriptor, u64 left) {
    if ((word(descriptor, page_.compound_head) & 1) != 0) return count(PageClass::Tail, 1);
    u64 flags = word(descriptor, page_.flags);
    u32 type = half(descriptor, page_.page_type);
    if (is_buddy(type)) return count(PageClass::Free, block_pages(word(descriptor, page_.private_data), left));
    if (is_slab(flags, type)) return add_slab(frame, descriptor, left);
    if (is_large_kmalloc(type)) return add_compound(frame, descriptor, left);
    if (half(descriptor, page_.refcount) == 0) return add_unused(frame, descriptor, left);
    if (is_other_type(type)) return count(PageClass::Typed, compound_pages(descriptor, left));
    add_words(descriptor, frame, compound_pages(descriptor, left));
    if ((flags >> page_.bit_reserved & 1) != 0) {
      map_.reserved.set(frame);
      return count(PageClass::Reserved, 1);
    }
    bool user = (flags >> page_.bit_lru & 1) != 0 || word(descriptor, page_.mapping) != 0;
    if (user) return count(PageClass::User, compound_pages(descriptor, left));
    if constexpr (kFor == ReadFor::ScanOfPages) add_links(descriptor, frame);
    if ((flags >> page_.bit_head & 1) != 0) return add_compound(frame, descriptor, left);
    map_.plain.set(frame);
    return count(PageClass::Plain, 1);
  }

  bool is_buddy(u32 type) const {
    if (page_.typed()) return type >> 24 == *page_.type_buddy;
    return (type & (kOldTypeBase | kOldTypeBuddy)) == kOldTypeBase;
  }
  bool is_slab(u64 flags, u32 type) const {
    if (page_.type_slab) return type >> 24 == *page_.type_slab;
    return page_.bit_slab && (flags >> *page_.bit_slab & 1) != 0;
  }
  bool is_large_kmalloc(u32 type) const { return page_.type_large_kmalloc && type >> 24 == *page_.type_large_kmalloc; }
  bool is_other_type(u32 type) const {
    if (page_.typed()) return type >> 24 > *page_.type_buddy && type != kNoPageType;
    return (type & kOldTypeBase) == kOldTypeBase && (~type & kOldTypesOther) != 0;
  }

  u64 block_pages(u64 order, u64 left) const { return order > kMaxOrder ? 1 : std::min(u64{1} << order, left); }

  u64 order_of(Bytes descriptor) const { return compound_order(descriptor, page_); }
  u64 compound_pages(Bytes descriptor, u64 left) const { return std::min(u64{1} << order_of(descriptor), left); }

  u64 add_slab(u64 frame, Bytes descriptor, u64 left) {
    auto slab = decode_slab(descriptor, page_, slab_);
    if (!slab) return count(PageClass::Tail, 1);
    slab->frame = frame;
    slab->order = static_cast<u8>(order_of(descriptor));
    map_.slabs.push_back(*slab);
    // The vector of cgroup pointers, flag bits in its lowest bits, hangs on the descriptor alone.
    if (slab_.extensions) add_word(word(descriptor, *slab_.extensions) & ~u64{7}, frame, *slab_.extensions);
    return count(PageClass::Slab, std::min(u64{1} << slab->order, left));
  }

  u64 add_unused(u64 frame, Bytes descriptor, u64 left) {
    u64 pages = count(PageClass::Free, compound_pages(descriptor, left));
    if constexpr (!kVisits) {
      if (pages == 1) map_.unused.set(frame);
    }
    return pages;
  }

  u64 add_compound(u64 frame, Bytes descriptor, u64 left) {
    map_.compounds.push_back({frame, static_cast<u8>(order_of(descriptor))});
    if (half(descriptor, page_.refcount) == 0) add_words(descriptor, frame, compound_pages(descriptor, left));
    return count(PageClass::Compound, compound_pages(descriptor, left));
  }

  // The words that hold pointers, less those to the page itself: a stale freelist of an earlier life as a slab.
  void add_words(Bytes descriptor, u64 frame, u64 pages) {
    if constexpr (kVisits) return;
    Range self{memory_.space().linear(frame * kPageBytes), pages * kPageBytes};
    auto add = [&](Offset offset) {
      u64 value = word(descriptor, offset);
      if (!self.contains(Addr{value})) add_word(value, frame, offset);
    };
    add(page_.lru);
    add(page_.lru + 8);
    add(page_.mapping);
    add(page_.private_data);
    if (page_.index) add(*page_.index);
    if (page_.memcg_data) add(*page_.memcg_data);
  }

  // What hangs a page of the kernel's own on a list of pages, or on another page, less what points to the page itself.
  void add_links(Bytes descriptor, u64 frame) {
    auto add = [&](Offset offset) {
      Addr to{word(descriptor, offset)};
      if (!descriptors_.contains(to)) return;
      if ((to - descriptors_.start) / page_.size_bytes != frame - first_frame_) keep_word(to.value, frame, offset);
    };
    add(page_.lru);
    add(page_.lru + 8);
    add(page_.private_data);
    if (page_.index) add(*page_.index);
  }

  void add_word(u64 value, u64 frame, Offset offset) {
    if constexpr (kVisits) return;
    if (linear_.contains(Addr{value})) keep_word(value, frame, offset);
  }
  // Neighbours often belong to one file and one cgroup: what was just seen is not kept again.
  void keep_word(u64 value, u64 frame, Offset offset) {
    u64& seen = recent_[value >> 4 & (recent_.size() - 1)];
    if (seen == value && places_ == WordPlaces::Unknown) return;
    seen = value;
    map_.words.push_back(value);
    if (places_ == WordPlaces::Unknown) return;
    map_.word_places.push_back(memory_.space().page_descriptors + frame * page_.size_bytes + offset);
  }

  const KernelMemory& memory_;
  const PageLayout& page_;
  const SlabLayout& slab_;
  WordPlaces places_;
  PageVisitor* visitor_;
  PageClass kind_ = PageClass::Tail;  // of the page that was classified last
  std::vector<std::byte> buffer_;
  Range linear_, descriptors_;
  u64 first_frame_ = 0;
  std::array<u64, 256> recent_{};
  PageMap map_;
};

}  // namespace

u64 compound_order(Bytes descriptors, const PageLayout& page) {
  auto flags = load<u64>(descriptors, page.flags);
  if (!flags || (*flags >> page.bit_head & 1) == 0 || !page.compound_order) return 0;
  // The next descriptor belongs to this page only if it says so: pages come and go while we read.
  auto link = load<u64>(descriptors, page.size_bytes + page.compound_head);
  auto order = load<u8>(descriptors, page.size_bytes + *page.compound_order);
  if (!link || (*link & 1) == 0 || !order || *order > kMaxOrder) return 0;
  return *order;
}

u64 tail_pages(const FrameBits& unused, u64 head) {
  u64 pages = 0;
  while (pages + 1 < kMaxBlockPages && unused.test(head + 1 + pages)) ++pages;
  u64 block = 1;
  while (head % (2 * block) == 0 && 2 * block - 1 <= pages) block *= 2;
  return block - 1;
}

void add_tails(PageMap& map, FrameBits* tails_found) {
  u64 first = map.unused.first_frame;
  u64 last_tail = 0;
  for (u64 bit = map.unused.bits.find_from(0); bit < map.unused.bits.size(); bit = map.unused.bits.find_from(bit)) {
    u64 frame = first + bit;
    bool is_behind_plain = bit != 0 && map.plain.test(frame - 1) && last_tail != frame - 1;
    u64 tails = is_behind_plain ? tail_pages(map.unused, frame - 1) : 0;
    for (u64 i = 0; i < tails; ++i) map.plain.set(last_tail = frame + i);
    for (u64 i = 0; tails_found != nullptr && i < tails; ++i) tails_found->set(frame + i);
    bit += std::max<u64>(tails, 1);
  }
}

void FrameBits::clear_range(u64 frame, u64 count) {
  for (u64 f = frame; f < frame + count; ++f) {
    if (f - first_frame < bits.size()) bits.clear(f - first_frame);
  }
}

Result<PageMap> read_page_map(const KernelMemory& memory, const PageLayout& page, const SlabLayout& slab,
                              const std::function<bool()>& keep_going, PageMapOptions options) {
  if (options.plain_pages == PlainPages::Blocks)
    return MapReader<ReadFor::ScanOfPages>(memory, page, slab, options.places, nullptr).run(keep_going);
  return MapReader<ReadFor::Scan>(memory, page, slab, options.places, nullptr).run(keep_going);
}

Result<PageMap> visit_page_map(const KernelMemory& memory, const PageLayout& page, const SlabLayout& slab,
                               const std::function<bool()>& keep_going, PageVisitor& visitor) {
  return MapReader<ReadFor::Account>(memory, page, slab, WordPlaces::Unknown, &visitor).run(keep_going);
}

PageType page_type(u32 value, const PageLayout& page) {
  if (!page.typed()) {
    if ((value & kOldTypeBase) != kOldTypeBase) return PageType::None;
    if ((value & kOldTypeBuddy) == 0) return PageType::Buddy;
    if ((value & kOldTypeOffline) == 0) return PageType::Offline;
    if ((value & kOldTypeTable) == 0) return PageType::Table;
    return (value & kOldTypeGuard) == 0 ? PageType::Guard : PageType::None;
  }
  if (value == kNoPageType) return PageType::None;
  const std::pair<std::optional<u64>, PageType> types[] = {{page.type_buddy, PageType::Buddy},
                                                           {page.type_offline, PageType::Offline},
                                                           {page.type_table, PageType::Table},
                                                           {page.type_guard, PageType::Guard},
                                                           {page.type_hugetlb, PageType::Hugetlb},
                                                           {page.type_slab, PageType::Slab},
                                                           {page.type_zsmalloc, PageType::Zsmalloc},
                                                           {page.type_unaccepted, PageType::Unaccepted},
                                                           {page.type_large_kmalloc, PageType::LargeKmalloc}};
  for (auto [number, type] : types) {
    if (number == value >> 24) return type;
  }
  return value >> 24 > *page.type_buddy ? PageType::Other : PageType::None;
}

std::optional<SlabPage> decode_slab(Bytes descriptor, const PageLayout& page, const SlabLayout& slab) {
  if (descriptor.size() < page.size_bytes) return std::nullopt;
  bool is_slab = false;
  if (page.type_slab)
    is_slab = load_unchecked<u32>(descriptor.data() + page.page_type) >> 24 == *page.type_slab;
  else if (page.bit_slab)
    is_slab = (load_unchecked<u64>(descriptor.data() + page.flags) >> *page.bit_slab & 1) != 0;
  if (!is_slab) return std::nullopt;
  auto word = [&](Offset offset) { return load_unchecked<u64>(descriptor.data() + offset); };
  auto bits = [&](Member member) {
    u64 value = load_unchecked<u32>(descriptor.data() + align_down(member.offset_bytes, 4));
    u32 shift = member.offset_bytes % 4 * 8 + member.bit_offset;
    return static_cast<u32>(value >> shift & ((u64{1} << member.bit_size) - 1));
  };
  SlabPage result;
  result.cache = Addr{word(slab.slab_cache)};
  result.freelist = Addr{word(slab.freelist)};
  result.counters = word(slab.counters);
  result.next = Addr{word(slab.next)};
  result.inuse = bits(slab.inuse);
  result.objects = bits(slab.objects);
  result.frozen = bits(slab.frozen) != 0;
  return result;
}

}  // namespace orphan::kernel
