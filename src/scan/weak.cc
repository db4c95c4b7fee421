// SPDX-License-Identifier: Apache-2.0
#include "scan/weak.h"

#include <algorithm>
#include <bit>

#include "scan/content_scanner.h"

namespace orphan {
namespace {

constexpr u64 kPage = 4096;
constexpr u64 kFlagBits = 3;  // of a pointer to a page descriptor: in scatter lists they mark chains and ends
// Cookies of per-CPU areas below are small integers.
constexpr u64 kLowestAddress = u64{1} << 32;

// What a table says in one look: `key` is in it, or by chance it is not.
struct KeyFilter {
  const u64* bits = nullptr;
  int shift = 0;

  u64 hash(u64 key) const { return (key * 0x9e37'79b9'7f4a'7c15) >> shift; }
  bool passes(u64 key) const { return (bits[hash(key) / 64] >> (hash(key) % 64) & 1) != 0; }
};

// Entries by a key, most of which are asked for in vain.
class Table {
 public:
  struct Entry {
    u64 key;   // the wanted word without its three lowest bits
    u64 word;  // what is wanted; of BeforeStart: the start
    u32 target;
    WeakForm form;
  };

  void add(Entry entry) { entries_.push_back(entry); }

  void finish() {
    std::ranges::sort(entries_, {}, &Entry::key);
    // 64 bits an entry: few words get past the filter by chance.
    u64 bits = std::bit_ceil(std::max<u64>(entries_.size() * 64, 64));
    bits_.resize(bits / 64);
    filter_ = {bits_.data(), 64 - std::countr_zero(bits)};
    for (const Entry& entry : entries_) bits_[filter_.hash(entry.key) / 64] |= u64{1} << (filter_.hash(entry.key) % 64);
  }
  KeyFilter filter() const { return filter_; }

  template <typename F>
  void for_each(u64 key, F&& f) const {
    if (!filter_.passes(key)) [[likely]]
      return;
    for (auto [at, end] = std::ranges::equal_range(entries_, key, {}, &Entry::key); at != end; ++at) f(*at);
  }

 private:
  std::vector<Entry> entries_;
  std::vector<u64> bits_;
  KeyFilter filter_;
};

constexpr u64 every_byte(u64 byte) {
  return byte * 0x0101'0101'0101'0101;
}
// The highest bit of each byte of `word` that is zero, and of some above such a byte.
constexpr u64 zero_bytes(u64 word) {
  return (word - every_byte(0x01)) & ~word & every_byte(0x80);
}

// Lets words pass that may be, or may hold the end of, a weak reference.
struct MaybeWeak {
  KeyFilter words, starts;
  u64 address_mask = 0;
  unsigned sign_shift = 0;
  // The highest byte of all starts and the second highest, in every byte; `any`: all bytes count as such, since they differ.
  u64 top = 0, any_top = 0;
  u64 second = 0, any_second = 0;

  bool passes(u64 word) const { return words.passes(word >> 3) || may_be_tagged(word) || may_end_unaligned(word); }
  // An address is what has all bits above equal; what has not may be one with a tag.
  bool may_be_tagged(u64 word) const {
    u64 above = static_cast<u64>(static_cast<i64>(word) >> sign_shift);
    return above + 1 > 1 && starts.passes((word & address_mask) >> 3);
  }
  // Of an address that begins in the word before, the highest byte is in this one and not its last.
  bool may_end_unaligned(u64 word) const {
    u64 behind_second = zero_bytes(word ^ second) << 8 | any_second | 0x80;
    return ((zero_bytes(word ^ top) | any_top) & behind_second & (every_byte(0x80) >> 8)) != 0;
  }
};

class Searcher {
 public:
  Searcher(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory, const WeakSearch& search,
           const std::function<void(const WeakReference&)>& found)
      : snapshot_(snapshot),
        index_(index),
        search_(search),
        found_(found),
        address_mask_((u64{1} << search.space.address_bits) - 1),
        filter_(want_all()),
        scanner_(snapshot, memory, filter_, Visit{this}, std::pmr::get_default_resource()) {}

  Result<void> run() {
    if (targets_.empty()) return {};
    TRY(search_roots());
    return scanner_.scan_all_blocks(*search_.sources, [this] { return check(); });
  }

 private:
  struct Visit {
    Searcher* searcher;
    void operator()(const WordRead& read) const { searcher->visit(read); }
  };

  // --- what is wanted ---

  MaybeWeak want_all() {
    for (u32 i = 0; i < snapshot_.spans.size(); ++i) {
      const Span& span = snapshot_.spans[i];
      if (span.has(span_flag::kAlias)) continue;
      search_.targets->for_each(span.first_slot, span.slots, [&](u64 slot) { want(span, {i, slot}); });
    }
    words_.finish();
    starts_.finish();
    MaybeWeak filter{.words = words_.filter(),
                     .starts = starts_.filter(),
                     .address_mask = address_mask_,
                     .sign_shift = search_.space.address_bits - 1};
    filter.top = every_byte(lowest_start_ >> 56);
    filter.any_top = lowest_start_ >> 56 == highest_start_ >> 56 ? 0 : every_byte(0x80);
    filter.second = every_byte(lowest_start_ >> 48 & 0xff);
    filter.any_second = lowest_start_ >> 48 == highest_start_ >> 48 ? 0 : every_byte(0x80);
    return filter;
  }

  void want(const Span& span, BlockRef block) {
    Addr start = snapshot_.slot_address(span, block.slot);
    if (start.value < kLowestAddress) return;
    u64 size = snapshot_.shape_of(span).object_bytes;
    auto target = static_cast<u32>(targets_.size());
    targets_.push_back(block);
    bool is_paged = search_.space.paged.contains(start);
    // Beyond the pages of a slab anybody's may be, so that a pointer there is most likely his.
    Range own = is_paged ? pages_of(span) : Range{Addr{}, ~u64{0}};
    // Per-CPU areas lie side by side and come and go.
    if (span.has(span_flag::kReplicated)) own = {};
    want_word((start + size).value, target, WeakForm::OnePastEnd, own);
    if (own.contains(start - 8)) words_.add({(start.value >> 3) - 1, start.value, target, WeakForm::BeforeStart});
    starts_.add({(start.value & address_mask_) >> 3, start.value, target, WeakForm::Tagged});
    lowest_start_ = std::min(lowest_start_, start.value);
    highest_start_ = std::max(highest_start_, start.value);
    if (is_paged) want_physical(span, start, size);
  }

  void want_physical(const Span& span, Addr start, u64 size) {
    u32 target = static_cast<u32>(targets_.size()) - 1;
    u64 physical = search_.space.physical_start + (start - search_.space.paged.start);
    if (physical >= kLowestPhysical && physical % kRoundNumber != 0 && (physical % kPage != 0 || search_.are_pages))
      want_word(physical, target, WeakForm::PhysicalAddress);
    if (physical % kPage == 0 && size >= kPage && physical / kPage >= kLowestFrameNumber)
      want_word(physical / kPage, target, WeakForm::FrameNumber);
    if (span.has(span_flag::kByPage)) return;  // that is a plain reference
    Addr head = pages_of(span).start;
    u64 first = align_down(start.value, kPage);
    if (head.value != first) want_descriptor(head, target);
    for (u64 page = first; page < start.value + size; page += kPage) want_descriptor(Addr{page}, target);
  }

  void want_descriptor(Addr page, u32 target) {
    const PageDescriptors& pages = snapshot_.page_descriptors;
    if (page < pages.first_page) return;
    Addr descriptor = pages.range.start + (page - pages.first_page) / kPage * pages.descriptor_bytes;
    if (pages.range.contains(descriptor)) want_word(descriptor.value, target, WeakForm::PageDescriptor);
  }

  void want_word(u64 word, u32 target, WeakForm form, Range allowed = {Addr{}, ~u64{0}}) {
    if (allowed.contains(Addr{word})) words_.add({word >> 3, word, target, form});
  }

  // All pages that the span has something of.
  Range pages_of(const Span& span) const {
    Addr start{align_down(span.start.value, kPage)};
    return {start, align_up((span.start + snapshot_.contents_bytes(span)).value, kPage) - start.value};
  }

  // --- what is there ---

  Result<void> check() const {
    if (search_.keep_going && !search_.keep_going()) return Error(ErrorCode::Interrupted, "looking for weak references");
    return {};
  }

  Result<void> search_roots() {
    for (std::size_t i = 0; i < snapshot_.root_words.size(); ++i) {
      Addr at = i < snapshot_.root_word_places.size() ? snapshot_.root_word_places[i] : Addr{};
      if (filter_.passes(snapshot_.root_words[i])) visit_word(snapshot_.root_words[i], at, {});
    }
    return scanner_.scan_roots([this] { return check(); });
  }

  void visit(const WordRead& read) {
    visit_word(read.word, read.at, read.following);
    if (!filter_.may_end_unaligned(read.word)) return;
    // Across two pieces of one range it is not looked for.
    u64 before = read.before.empty() ? 0 : load_unchecked<u64>(read.before.last(8).data());
    for (unsigned shift = 8; shift < 64; shift += 8) {
      u64 value = before >> shift | read.word << (64 - shift);
      if (value - lowest_start_ <= highest_start_ - lowest_start_) visit_unaligned(value, read.at - 8 + shift / 8);
    }
  }

  void visit_word(u64 word, Addr at, Bytes following) {
    words_.for_each(word >> 3, [&](const Table::Entry& entry) {
      if (is_match(entry, word, following) && !is_hint(snapshot_, word, at, following)) report(entry, entry.form, word, at);
    });
    if (!filter_.may_be_tagged(word)) return;
    starts_.for_each((word & address_mask_) >> 3, [&](const Table::Entry& entry) {
      if ((word & address_mask_) == (entry.word & address_mask_)) report(entry, WeakForm::Tagged, word, at);
    });
  }

  void visit_unaligned(u64 value, Addr at) {
    starts_.for_each((value & address_mask_) >> 3, [&](const Table::Entry& entry) {
      if (value == entry.word) report(entry, WeakForm::Unaligned, value, at);
    });
  }

  bool is_match(const Table::Entry& entry, u64 word, Bytes following) const {
    switch (entry.form) {
      case WeakForm::OnePastEnd: return word == entry.word && !index_.find(word);
      case WeakForm::BeforeStart: return !index_.find(word);
      case WeakForm::PageDescriptor: return (word & ~kFlagBits) == entry.word && is_meant(entry, following);
      case WeakForm::PhysicalAddress:
      case WeakForm::FrameNumber: return word == entry.word;
      case WeakForm::Tagged:
      case WeakForm::Unaligned: return false;
    }
    bug("no such form");
  }

  // A descriptor alone does not say which object of the page is meant, and stale ones are everywhere: free slots of pipes, skbs
  // and lists of pages. Whoever means a part of a page has an offset and a length behind it, in this order (struct scatterlist,
  // struct pipe_buffer) or the other (struct bio_vec), that fit into the object.
  bool is_meant(const Table::Entry& entry, Bytes following) const {
    auto first = load<u32>(following, 0);
    auto second = load<u32>(following, 4);
    if (!first || !second) return false;
    const PageDescriptors& pages = snapshot_.page_descriptors;
    Addr page = pages.first_page + (Addr{entry.word} - pages.range.start) / pages.descriptor_bytes * kPage;
    BlockRef target = targets_[entry.target];
    const Span& span = snapshot_.spans[target.span];
    Addr start = snapshot_.slot_address(span, target.slot);
    Range object{start, snapshot_.shape_of(span).object_bytes};
    auto is_part = [&](u32 offset, u32 length) { return length != 0 && object.contains(Range{page + offset, length}); };
    return is_part(*first, *second) || is_part(*second, *first);
  }

  void report(const Table::Entry& entry, WeakForm form, u64 word, Addr at) const {
    BlockRef target = targets_[entry.target];
    auto source = index_.find(at.value);
    if (source && source->slot == target.slot) return;
    found_({at, word, target, form});
  }

  const Snapshot& snapshot_;
  const BlockIndex& index_;
  const WeakSearch& search_;
  const std::function<void(const WeakReference&)>& found_;
  u64 address_mask_;
  std::vector<BlockRef> targets_;
  Table words_;   // what is wanted as a word
  Table starts_;  // starts of targets, by the bits that an address needs
  u64 lowest_start_ = ~u64{0}, highest_start_ = 0;
  MaybeWeak filter_;
  ContentScanner<Visit, MaybeWeak> scanner_;
};

}  // namespace

const char* to_string(WeakForm form) {
  switch (form) {
    case WeakForm::OnePastEnd: return "one-past-end";
    case WeakForm::BeforeStart: return "before-start";
    case WeakForm::PageDescriptor: return "page-descriptor";
    case WeakForm::PhysicalAddress: return "physical-address";
    case WeakForm::FrameNumber: return "frame-number";
    case WeakForm::Tagged: return "tagged";
    case WeakForm::Unaligned: return "unaligned";
  }
  bug("no such form");
}

Result<void> find_weak_references(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                                  const WeakSearch& search, const std::function<void(const WeakReference&)>& found) {
  return Searcher(snapshot, index, memory, search, found).run();
}

}  // namespace orphan
