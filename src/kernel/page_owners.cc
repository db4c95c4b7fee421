// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_owners.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "kernel/evidence.h"
#include "kernel/page_looks.h"
#include "report/format.h"

namespace orphan::kernel {
namespace {

constexpr u64 kMostBlocks = 1 << 15;              // that are looked into
constexpr u64 kMostSearchedBytes = u64{4} << 30;  // for referrers
constexpr u64 kChunkBytes = 1 << 16;              // of one read
constexpr u64 kEvidenceBlocks = 64;               // of a group
constexpr std::size_t kEvidenceLines = 8;
constexpr std::size_t kExamples = 3;
constexpr u64 kLargestStruct = 512;  // larger objects may be tables of pages: where in it says nothing
constexpr std::size_t kMostReferrers = 1 << 16;
constexpr std::size_t kMostGroups = 256;
constexpr u64 kKernelHalf = 0xff00'0000'0000'0000;  // with five levels of page tables

// Lower is more telling.
enum class Rank : u8 { Static, Slab, Vmalloc, PerCpu, Page, None };

struct Block {
  u64 frame = 0;
  u32 pages = 1;
  bool is_compound = false;
  Rank rank = Rank::None;
  u32 referrer = 0;  // 0: none was found
};

// The blocks that are looked into, and finding them by a word that refers to one.
class Sample {
 public:
  explicit Sample(const PageOwnerInput& input) : input_(input) {
    const AddressSpace& space = input.kernel.memory.space();
    linear_ = space.linear_span();
    first_frame_ = (linear_.start - space.linear_map) / kPageBytes;
    descriptor_bytes_ = input.kernel.layouts.page.size_bytes;
    descriptors_ = {space.page_descriptors + first_frame_ * descriptor_bytes_,
                    linear_.size_bytes / kPageBytes * descriptor_bytes_};
    bits_.resize(linear_.size_bytes / kPageBytes);
  }

  // Returns how many blocks there are.
  u64 choose() {
    u64 all = 0;
    for_each_block([&](const Block&) { ++all; });
    u64 stride = std::max<u64>(1, (all + kMostBlocks - 1) / kMostBlocks);
    u64 number = 0;
    for_each_block([&](const Block& block) {
      if (number++ % stride == 0) blocks_.push_back(block);
    });
    std::ranges::sort(blocks_, {}, &Block::frame);
    for (const Block& block : blocks_) bits_.set_range(block.frame - first_frame_, block.pages);
    return all;
  }

  Block* find(u64 word) {
    u64 frame = 0;
    if (linear_.contains(Addr{word})) {
      frame = (Addr{word} - linear_.start) / kPageBytes;
    } else if (descriptors_.contains(Addr{word})) {
      u64 at = Addr{word & ~u64{3}} - descriptors_.start;  // page_link of a scatterlist, encoded pages: two bits
      if (at % descriptor_bytes_ != 0) return nullptr;
      frame = at / descriptor_bytes_;
    } else {
      return nullptr;
    }
    if (!bits_.test(frame)) return nullptr;
    auto behind = std::ranges::upper_bound(blocks_, frame + first_frame_, {}, &Block::frame);
    return &*std::prev(behind);
  }

  std::vector<Block>& blocks() { return blocks_; }

 private:
  template <typename F>
  void for_each_block(F&& f) const {
    const FrameBits& plain = input_.kinds.plain();
    plain.bits.for_each(0, plain.bits.size(), [&](u64 bit) {
      u64 frame = plain.first_frame + bit;
      // Some pages of a block may have been given to somebody: then its later pages stand for themselves.
      bool is_inside = input_.kinds.is_tail(frame) && plain.test(frame - 1);
      if (!is_inside) f(Block{frame, static_cast<u32>(input_.kinds.plain_block_pages(frame)), false});
    });
    u64 end = first_frame_ + bits_.size();
    for (CompoundPage page : input_.compounds) {
      if (page.frame >= end) continue;
      f(Block{page.frame, static_cast<u32>(std::min(u64{1} << page.order, end - page.frame)), true});
    }
  }

  const PageOwnerInput& input_;
  Range linear_, descriptors_;
  u64 first_frame_ = 0, descriptor_bytes_ = 0;
  BitVector bits_;
  std::vector<Block> blocks_;
};

class Finder {
 public:
  Finder(const PageOwnerInput& input, Account& account)
      : input_(input), memory_(input.kernel.memory), account_(account), sample_(input), buffer_(kChunkBytes) {}

  Result<void> run() {
    account_.owner_blocks = sample_.choose();
    account_.looked_into_blocks = sample_.blocks().size();
    if (sample_.blocks().empty()) return {};
    TRY(search());
    TRY(look_inside());
    add_owners(false, input_.kinds.count(PageKind::Plain));
    add_owners(true, input_.kinds.count(PageKind::Compound));
    std::ranges::stable_sort(account_.owners, std::greater<>(), &AccountOwner::pages);
    return {};
  }

 private:
  Result<void> go_on() const {
    if (input_.keep_going && !input_.keep_going()) return Error(ErrorCode::Interrupted, "account");
    return {};
  }

  // --- who points at them ---

  Result<void> search() {
    TRY(search_image());
    TRY(search_slabs());
    for (const VmallocArea& area : input_.areas) {
      if (!area.is_allocated || area.size_bytes == 0) continue;
      TRY(search_range({area.start, area.size_bytes}, Rank::Vmalloc, [&](u64 offset) { return name_in_area(area, offset); }));
    }
    TRY(search_percpu());
    const FrameBits& plain = input_.kinds.plain();
    for (u64 bit = plain.bits.find_from(0); bit < plain.bits.size();) {
      u64 end = bit + 1;
      while (end < plain.bits.size() && plain.bits.test(end)) ++end;
      TRY(search_pages(plain.first_frame + bit, end - bit));
      bit = plain.bits.find_from(end);
    }
    for (CompoundPage page : input_.compounds) TRY(search_pages(page.frame, u64{1} << page.order));
    pass_on();
    return {};
  }

  // Of a large block that was split into pages (alloc_pages_exact) only the first is pointed at: what lies behind a page with an
  // owner, and has none, may be the same one's.
  void pass_on() {
    std::span<Block> blocks(sample_.blocks());
    u32 owner = 0;
    for (std::size_t i = 1; i < blocks.size(); ++i) {
      const Block& before = blocks[i - 1];
      bool is_next = before.frame + before.pages == blocks[i].frame && !before.is_compound && !blocks[i].is_compound;
      if (before.rank < Rank::PerCpu) owner = number_of("pages in front of them; those: " + names_[before.referrer]);
      if (!is_next || blocks[i].referrer != 0) owner = 0;
      if (owner != 0) blocks[i].referrer = owner;
    }
  }

  Result<void> search_pages(u64 frame, u64 pages) {
    return search_range({memory_.space().linear(frame * kPageBytes), pages * kPageBytes}, Rank::Page,
                        [](u64) { return std::string("a page that is nobody's either"); });
  }

  Result<void> search_image() {
    Addr image = memory_.space().linear(input_.kernel.image_physical);
    for (Addr page : input_.static_data) {
      TRY(search_range({image + (page - input_.kernel.image.start), kPageBytes}, Rank::Static,
                       [&](u64 offset) { return name_of_symbol(page + offset); }));
    }
    return {};
  }

  std::string name_of_symbol(Addr at) const {
    auto symbol = input_.symbols.lookup(at);
    if (!symbol) return "static data";
    // Without the offset: a table of pages is one owner.
    return symbol->module.empty() ? symbol->name : fmt::format("{} [{}]", symbol->name, symbol->module);
  }

  std::string name_in_area(const VmallocArea& area, u64 offset) const {
    if (!input_.symbols.module_at(area.start + offset).empty()) return name_of_symbol(area.start + offset);
    return fmt::format("vmalloc of {}", to_string(to_frame(area.caller, input_.symbols)));
  }

  Result<void> search_slabs() {
    const Snapshot& snapshot = input_.snapshot;
    for (const Span& span : snapshot.spans) {
      const Shape& shape = snapshot.shape_of(span);
      TRY(search_range({span.start, snapshot.contents_bytes(span)}, Rank::Slab, [&](u64 offset) {
        u64 slot = offset / shape.stride_bytes, inside = offset % shape.stride_bytes;
        // What is free is full of stale pointers.
        if (!snapshot.live.test(span.first_slot + slot) || inside >= shape.object_bytes) return std::string();
        const std::string& cache = input_.owners[shape.owner].name;
        return shape.object_bytes <= kLargestStruct ? fmt::format("{}+{:#x}", cache, inside) : cache;
      }));
    }
    return {};
  }

  Result<void> search_percpu() {
    for (u64 offset : input_.percpu.offsets) {
      const Range& unit = input_.percpu.first_unit;
      auto name = [](u64) { return std::string("per-CPU data"); };
      TRY(search_range({unit.start + offset, unit.size_bytes}, Rank::PerCpu, name));
      for (const PerCpuChunk& chunk : input_.percpu.chunks) {
        TRY(search_range({chunk.first_cookie + offset, chunk.size_bytes}, Rank::PerCpu, name));
      }
    }
    return {};
  }

  // `name(offset)` says what stands there; an empty name is no referrer.
  template <typename F>
  Result<void> search_range(Range range, Rank rank, F&& name) {
    for (u64 done = 0; done < range.size_bytes;) {
      u64 to_page_end = kPageBytes - (range.start + done).value % kPageBytes;
      u64 size = std::min(range.size_bytes - done, to_page_end + kChunkBytes - kPageBytes);
      if (account_.searched_bytes + size > kMostSearchedBytes) {
        account_.not_searched_bytes += range.size_bytes - done;
        return {};
      }
      if ((++reads_ & 1023) == 0) TRY(go_on());
      auto bytes = std::span(buffer_).first(size);
      bool was_read = bool(memory_.read(range.start + done, bytes));
      if (!was_read) {  // page by page: some of them may not be there
        size = std::min(size, to_page_end);
        bytes = bytes.first(size);
        was_read = bool(memory_.read(range.start + done, bytes));
      }
      (was_read ? account_.searched_bytes : account_.not_searched_bytes) += size;
      if (was_read) search_bytes(bytes, done, rank, name);
      done += size;
    }
    return {};
  }

  template <typename F>
  void search_bytes(Bytes bytes, u64 from, Rank rank, F&& name) {
    for (u64 at = 0; at + 8 <= bytes.size(); at += 8) {
      u64 word = load_unchecked<u64>(bytes.data() + at);
      if (word < kKernelHalf) continue;
      Block* block = sample_.find(word);
      if (block == nullptr || block->rank <= rank) continue;
      u32 referrer = number_of(name(from + at));
      if (referrer == 0) continue;
      block->rank = rank;
      block->referrer = referrer;
    }
  }

  u32 number_of(const std::string& referrer) {
    if (referrer.empty()) return 0;
    if (auto known = numbers_.find(referrer); known != numbers_.end()) return known->second;
    if (names_.size() >= kMostReferrers) return 0;
    names_.push_back(referrer);
    return numbers_.emplace(referrer, static_cast<u32>(names_.size() - 1)).first->second;
  }

  // --- what is in them ---

  struct Group {
    AccountOwner owner;
    std::optional<EvidenceGatherer> evidence;
    u64 sampled_pages = 0;
  };
  using Key = std::tuple<bool, u64, std::string, std::string>;  // compound?, pages, referrer, symbol or looks

  Result<void> look_inside() {
    std::vector<std::byte> page(kPageBytes);
    for (const Block& block : sample_.blocks()) {
      if ((++reads_ & 255) == 0) TRY(go_on());
      Addr at = memory_.space().linear(block.frame * kPageBytes);
      bool was_read = bool(memory_.read(at, page));
      std::string looks = was_read ? looks_like(page) : "unreadable";
      const std::string& referrer = names_[block.referrer];
      // With neither, the first symbol inside has to tell one owner from another.
      std::string mark = referrer.empty() && was_read ? first_symbol(page, input_.symbols) : std::string();
      Group& group = groups_[{block.is_compound, block.pages, referrer, mark.empty() && referrer.empty() ? looks : mark}];
      if (group.owner.looked_into == 0) {
        group.owner.id = block.is_compound ? "unaccounted.compound" : "unaccounted.plain";
        group.owner.referrer = referrer;
        group.owner.looks_like = looks;
        group.owner.block_pages = block.pages;
        group.evidence.emplace(input_.symbols);
      }
      group.sampled_pages += block.pages;
      if (group.owner.looked_into++ < kEvidenceBlocks && was_read) group.evidence->add(page);
      if (group.owner.examples.size() < kExamples) group.owner.examples.push_back(at);
    }
    return {};
  }

  // The sampled pages stand for all `pages` of their kind; together they are exactly as many.
  void add_owners(bool is_compound, u64 pages) {
    std::vector<Group*> groups;
    u64 sampled = 0;
    for (auto& [key, group] : groups_) {
      if (std::get<0>(key) != is_compound) continue;
      groups.push_back(&group);
      sampled += group.sampled_pages;
    }
    if (groups.empty()) return;
    std::ranges::stable_sort(groups, std::greater<>(), &Group::sampled_pages);
    merge_small(groups);
    u64 left = pages;
    for (Group* group : groups) {
      group->owner.pages = static_cast<u64>(static_cast<unsigned __int128>(pages) * group->sampled_pages / sampled);
      left -= group->owner.pages;
    }
    groups.front()->owner.pages += left;  // what rounding left over
    for (Group* group : groups) {
      if (group->evidence) group->owner.evidence = group->evidence->result(kEvidenceLines);
      account_.owners.push_back(std::move(group->owner));
    }
  }

  static void merge_small(std::vector<Group*>& groups) {
    if (groups.size() <= kMostGroups) return;
    Group& rest = *groups[kMostGroups - 1];
    rest.owner.referrer = "various";
    rest.evidence.reset();
    for (std::size_t i = kMostGroups; i < groups.size(); ++i) {
      rest.sampled_pages += groups[i]->sampled_pages;
      rest.owner.looked_into += groups[i]->owner.looked_into;
    }
    groups.resize(kMostGroups);
  }

  const PageOwnerInput& input_;
  const KernelMemory& memory_;
  Account& account_;
  Sample sample_;
  std::vector<std::byte> buffer_;
  u64 reads_ = 0;
  std::vector<std::string> names_{std::string()};  // of referrers, by number
  std::map<std::string, u32> numbers_;
  std::map<Key, Group> groups_;
};

}  // namespace

Result<void> find_page_owners(const PageOwnerInput& input, Account& account) {
  return Finder(input, account).run();
}

}  // namespace orphan::kernel
