// SPDX-License-Identifier: Apache-2.0
// One pass over the memory map: the descriptor (struct page) of every page of the machine says what the page is used for.
//
// Only the heads of free blocks and compound pages are looked at, what they cover is skipped; descriptors of a large free
// block are not even read. What comes out: the slabs, the compound pages that may be large kmallocs, the pages of the
// kernel's own (plain and reserved) as bits, and the pointers that stand in descriptors of pages in use.
#pragma once
#include <array>
#include <functional>

#include "kernel/address_space.h"
#include "kernel/layouts.h"
#include "scan/snapshot.h"

namespace orphan::kernel {

// The descriptor of a slab, as read at some moment.
struct SlabPage {
  u64 frame = 0;  // page frame number of its first page
  Addr cache;     // struct kmem_cache
  Addr freelist;  // as stored: the first free object is not encoded
  u64 counters = 0;
  Addr next;  // on a CPU's partial list
  u8 order = 0;
  u32 inuse = 0, objects = 0;
  bool frozen = false;
};

struct CompoundPage {
  u64 frame = 0;
  u8 order = 0;
};

enum class PageClass : u8 {
  Free,  // in the buddy allocator, or on its way there
  Slab,
  Compound,  // of order 1 and more, the kernel's own: large kmalloc, or alloc_pages(__GFP_COMP)
  Plain,     // the kernel's own, order 0
  Reserved,  // kernel image, boot memory, holes
  User,      // anonymous memory, page cache, hugetlb: never holds the kernel's pointers
  Typed,     // page tables, guard, offline: no pointers to blocks
  Tail,      // inside a compound page or a block that changed while it was read
};
inline constexpr std::size_t kPageClasses = 8;

// Page frames in the linear map that have a bit: one vector for each range of RAM would be awkward; holes cost a bit a page.
struct FrameBits {
  u64 first_frame = 0;
  BitVector bits;

  bool test(u64 frame) const { return frame - first_frame < bits.size() && bits.test(frame - first_frame); }
  void set(u64 frame) { bits.set(frame - first_frame); }
  void clear_range(u64 frame, u64 count);
};

struct PageMap {
  std::array<u64, kPageClasses> pages{};  // pages in each class
  std::vector<SlabPage> slabs;            // ascending by frame
  std::vector<CompoundPage> compounds;    // ascending by frame
  FrameBits plain, reserved;
  FrameBits unused;  // refcount 0, in no free block: see add_tails()
  // Pointers into the linear map, and to descriptors where pages are blocks, that stand in descriptors of pages in use.
  std::vector<u64> words;
  std::vector<Addr> word_places;  // where each stands, when it is noted
  u64 unread_descriptors = 0;     // pages whose descriptors could not be read
};

enum class WordPlaces : u8 { Unknown, Noted };

// What the kernel's own pages are in a scan.
enum class PlainPages : u8 {
  Roots,
  Blocks,  // a word in one's descriptor that points to another's is a reference, too: pages hang on lists by their descriptors
};

// What the type in a page's descriptor says.
enum class PageType : u8 { None, Buddy, Offline, Table, Guard, Hugetlb, Slab, Zsmalloc, Unaccepted, LargeKmalloc, Other };
inline constexpr u32 kNoPageType = 0xffff'ffff;  // it has none, and nobody has mapped it
PageType page_type(u32 value, const PageLayout& page);

// For those who want to know more about each page than its class.
class PageVisitor {
 public:
  virtual ~PageVisitor() = default;
  // `pages` pages from `frame` on are settled at once and have the class `kind`. `descriptors` begins with that of `frame`;
  // those behind it follow, at least one where memory goes on.
  virtual void visit(u64 frame, u64 pages, PageClass kind, Bytes descriptors) = 0;
  virtual void unread(u64 frame, u64 pages) = 0;
};

struct PageMapOptions {
  WordPlaces places = WordPlaces::Unknown;
  PlainPages plain_pages = PlainPages::Roots;
};

// Reads the memory map. `keep_going` is asked every few thousand pages; Interrupted when it says no.
Result<PageMap> read_page_map(const KernelMemory& memory, const PageLayout& page, const SlabLayout& slab,
                              const std::function<bool()>& keep_going, PageMapOptions options = {});

// The same, with each page shown to `visitor`, in ascending order. Pointers in descriptors are not gathered.
Result<PageMap> visit_page_map(const KernelMemory& memory, const PageLayout& page, const SlabLayout& slab,
                               const std::function<bool()>& keep_going, PageVisitor& visitor);

// Of a block that was allocated without __GFP_COMP only the first page counts references: the unused pages behind a plain one
// that belong to its block become plain, too, and are noted in `tails` if somebody asks. Those on CPUs' lists of free pages are
// to be taken out of `unused` first.
void add_tails(PageMap& map, FrameBits* tails = nullptr);
// The pages behind `head` that belong to its block: the largest that its alignment allows and that unused pages fill.
u64 tail_pages(const FrameBits& unused, u64 head);

// The order of the compound page whose descriptor stands first, the next one behind it; 0 when it is none.
u64 compound_order(Bytes descriptors, const PageLayout& page);

// Decodes a slab's descriptor; nothing when the bytes are not those of a slab any more.
std::optional<SlabPage> decode_slab(Bytes descriptor, const PageLayout& page, const SlabLayout& slab);

}  // namespace orphan::kernel
