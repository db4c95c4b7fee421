// SPDX-License-Identifier: Apache-2.0
// What a target yields for one look at it: the blocks that its allocators say are live, and where references may stand.
//
// There is no record per object. Equal objects that lie side by side (a slab) are one *span* of *slots*; a single big block
// is a span of one slot. Every slot of the snapshot has a number, and what is known of it (live, reached, candidate) is one
// bit in a vector over these numbers.
#pragma once
#include <algorithm>
#include <memory_resource>
#include <vector>

#include "base/addr.h"
#include "base/bits.h"
#include "base/bytes.h"

namespace orphan {

// What the slots of a span have in common. `object_bytes` <= `stride_bytes`; the rest of a slot belongs to the allocator.
struct Shape {
  u64 stride_bytes = 0;
  u64 object_bytes = 0;
  u32 owner = 0;  // whose blocks these are: a number that the target gives meaning to, the same in every snapshot
  // Where in a slot, behind the object, a u32 says how many of the object's bytes were asked for: only these are scanned, the
  // others may hold what the slot's last owner left. 0: that is not noted.
  u32 requested_at = 0;
  u64 reciprocal = 0;  // ceil(2^64 / stride), so that slots are found without a division; set by Snapshot::add_shape

  // Of a slot, from the object's start: the object, and what is noted behind it.
  u64 used_bytes() const { return requested_at == 0 ? object_bytes : u64{requested_at} + 4; }
  // How much of the object to scan; `slot` holds its used_bytes().
  u64 scanned_bytes(Bytes slot) const {
    if (requested_at == 0) return object_bytes;
    u64 requested = load_unchecked<u32>(slot.data() + requested_at);
    return requested == 0 || requested > object_bytes ? object_bytes : requested;
  }
};

// How a span is treated; a sum of these.
namespace span_flag {
inline constexpr u8 kNoScan = 1;      // references to it count, its contents are not read
inline constexpr u8 kRoot = 2;        // all its live slots are reached from the start, without being passed on
inline constexpr u8 kFiltered = 4;    // ask the ContentFilter which of its words do not own what they point to
inline constexpr u8 kReplicated = 8;  // its contents stand at `start + offset` for each of the snapshot's copy offsets
inline constexpr u8 kByPage = 16;     // a pointer to the descriptor of its page refers to it
inline constexpr u8 kForwards = 32;   // a reference to one of its slots may be passed on: see Snapshot::forwards
inline constexpr u8 kAlias = 64;      // no block: addresses in it stand for others, from `target()` on
}  // namespace span_flag

struct Span {
  Addr start;          // of slot 0's object
  u64 first_slot = 0;  // number of slot 0; of an alias: the address that `start` stands for
  u32 slots = 0;
  u32 shape : 24 = 0;
  u32 flags : 8 = 0;

  bool has(u8 flag) const { return (flags & flag) != 0; }
  Addr target() const { return Addr{first_slot}; }
};
static_assert(sizeof(Span) == 24, "a span is kept small: there is one for every slab of the machine");

enum class RootKind : u8 {
  KernelPages,   // pages of the kernel's own that belong to no block
  Image,         // the kernel's data, bss and what was allocated before the page allocator was up
  PerCpuStatic,  // static per-CPU variables, every CPU's copy
  Modules,       // data of modules
  Stacks,        // live tasks' stacks
  SingleWords,   // pointers in the descriptors of pages in use, and in stacks of kernel threads
};
inline constexpr std::size_t kRootKinds = 6;
const char* to_string(RootKind kind);

// Memory that is scanned from the start. Words are taken at 8-byte boundaries of the address.
struct Root {
  Range range;
  RootKind kind;
};

// [offset, offset + size) of a block's contents.
struct Extent {
  u64 offset;
  u64 size_bytes;
};

// A block: its span's index in Snapshot::spans, and the slot's number in the whole snapshot.
struct BlockRef {
  u32 span = 0;
  u64 slot = 0;
};

// A reference to slot `from` is one to slot `to` as well: the owner may keep the allocator's handle in place of the address.
struct Forward {
  u64 from;
  BlockRef to;
};

// Knows which words of a block's contents do not keep alive what they point to.
class ContentFilter {
 public:
  virtual ~ContentFilter() = default;
  // Appends to `skip`, ascending and disjoint, the parts of `contents` (the object at `object`, in a kFiltered span) that
  // are not to be scanned.
  virtual void non_owning(const Span& span, Addr object, Bytes contents, std::pmr::vector<Extent>& skip) const = 0;
  // Whether `word` at `at`, in roots or blocks, which refers to a block, owns nothing, as what stands behind it (`following`,
  // which may be cut short) shows. Asked only for words that are not divisible by 8.
  virtual bool is_hint([[maybe_unused]] u64 word, [[maybe_unused]] Addr at, [[maybe_unused]] Bytes following) const {
    return false;
  }
};

// Where references that are not plain addresses of blocks come from.
struct PageDescriptors {
  Range range;                // the array of page descriptors; empty: there is none
  u64 descriptor_bytes = 64;  // of one
  Addr first_page;            // address of the page that the array's first descriptor stands for
};

struct Snapshot {
  explicit Snapshot(std::pmr::memory_resource* resource = std::pmr::get_default_resource())
      : shapes(resource),
        spans(resource),
        live(resource),
        roots(resource),
        root_words(resource),
        root_word_places(resource),
        ignored_words(resource),
        root_blocks(resource),
        forwards(resource),
        copy_offsets(resource) {}

  // Adds a shape; the number is what Span::shape holds. At most 2^24.
  u32 add_shape(u64 stride_bytes, u64 object_bytes, u32 owner, u32 requested_at = 0);
  // Adds a span of `slots` new slots, none of them live; its number is its index in `spans`.
  u32 add_span(Addr start, u32 slots, u32 shape, u8 flags);
  // Room for so many more spans and slots: there may be millions, and what grows step by step is held twice at times.
  void reserve(u64 more_spans, u64 more_slots) {
    spans.reserve(spans.size() + more_spans);
    live.reserve(live.size() + more_slots);
  }
  // Adds an alias of `size_bytes` from `start`, which stands for the addresses from `target` on.
  u32 add_alias(Addr start, u64 size_bytes, Addr target);

  const Shape& shape_of(const Span& span) const { return shapes[span.shape]; }
  u64 size_bytes(const Span& span) const { return span.slots * shapes[span.shape].stride_bytes; }
  // From the first object to the end of what matters of the last slot.
  u64 contents_bytes(const Span& span) const {
    const Shape& shape = shapes[span.shape];
    return (span.slots - 1) * shape.stride_bytes + shape.used_bytes();
  }
  Addr slot_address(const Span& span, u64 slot) const {
    return span.start + (slot - span.first_slot) * shapes[span.shape].stride_bytes;
  }

  std::pmr::vector<Shape> shapes;
  std::pmr::vector<Span> spans;
  BitVector live;  // one bit a slot
  std::pmr::vector<Root> roots;
  std::pmr::vector<u64> root_words;         // single words that were found in roots while the snapshot was made
  std::pmr::vector<Addr> root_word_places;  // where each of these stands; empty unless somebody asked for it
  std::pmr::vector<Addr> ignored_words;     // in roots, ascending: what stands there owns nothing
  std::pmr::vector<BlockRef> root_blocks;   // reached from the start, without being passed on to where they forward
  std::pmr::vector<Forward> forwards;       // by `from`
  std::pmr::vector<u64> copy_offsets;       // of kReplicated spans; added with wrap-around
  PageDescriptors page_descriptors;
  const ContentFilter* filter = nullptr;  // outlives the snapshot; needed when a span is kFiltered
};

// Whether a word that refers to a block owns nothing: see Snapshot::ignored_words and ContentFilter::is_hint.
inline bool is_hint(const Snapshot& snapshot, u64 word, Addr at, Bytes following) {
  const auto& ignored = snapshot.ignored_words;
  if (!ignored.empty() && at >= ignored.front() && at <= ignored.back() && std::ranges::binary_search(ignored, at)) return true;
  return word % 8 != 0 && snapshot.filter != nullptr && snapshot.filter->is_hint(word, at, following);
}

}  // namespace orphan
