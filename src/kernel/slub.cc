// SPDX-License-Identifier: Apache-2.0
#include "kernel/slub.h"

#include <algorithm>
#include <unordered_set>

#include "kernel/sheaves.h"

namespace orphan::kernel {
namespace {

constexpr u64 kMaxCaches = 1 << 20;
constexpr u64 kMaxNameBytes = 128;
constexpr int kTries = 6;
constexpr u64 kOtherBlocks = 1 << 14;      // room for blocks that are in no slab; more are moved once
constexpr u64 kNoLeakTrace = 0x0080'0000;  // SLAB_NOLEAKTRACE where BTF does not tell

std::string read_name(const KernelMemory& memory, Addr at) {
  std::array<char, kMaxNameBytes> text{};
  // A name may end short of a page that is not there.
  u64 to_page_end = kPageBytes - at.value % kPageBytes;
  u64 size = std::min<u64>(to_page_end, text.size());
  if (!memory.read(at, std::as_writable_bytes(std::span(text).first(size)))) return {};
  return {text.begin(), std::ranges::find(text, '\0')};
}

// The slab that a CPU allocates from, and what is left of it.
struct CpuSlab {
  Addr where;  // of this CPU's struct kmem_cache_cpu
  Addr freelist;
  u64 tid = 0;
  Addr slab;  // descriptor of the page
  Addr partial;

  bool operator==(const CpuSlab&) const = default;
};

class SlabReader {
 public:
  SlabReader(const SlabInput& input, Slub& slub, Snapshot& snapshot)
      : memory_(input.memory),
        kept_(input.kept),
        layouts_(input.layouts),
        map_(input.map),
        slub_(slub),
        snapshot_(snapshot),
        descriptor_(input.layouts.page.size_bytes),
        first_span_(snapshot.spans.size()) {}

  void read_cpu_slabs(const PerCpu& percpu) {
    cpu_offsets_ = percpu.offsets;
    if (!layouts_.cpu_slab) return;
    for (const Cache& cache : slub_.caches) {
      for (u64 offset : percpu.offsets) {
        auto state = read_cpu_slab(cache.cpu_slab + offset);
        if (!state) continue;
        if (state->slab) cpu_slabs_.emplace(state->slab.value, *state);
        hold_partial(state->partial);
      }
    }
  }

  // The sheaves as they are before the slabs are read; only those of caches that have slabs in the map.
  void read_first_sheaves() {
    if (!layouts_.sheaves) return;
    std::unordered_set<u32> seen;
    for (const SlabPage& page : map_.slabs) {
      auto known = slub_.by_address.find(page.cache.value);
      if (known != slub_.by_address.end() && seen.insert(known->second).second) sheaf_caches_.push_back(known->second);
    }
    sheaves_ = read_sheaves(memory_, layouts_, slub_, sheaf_caches_, cpu_offsets_);
  }

  // Takes out of the live objects what is in sheaves. What was in one before the slabs were read, and is in none after, has
  // been handed out or given back to its slab meanwhile: it is not judged, and keeps alive what it points to.
  void apply_sheaves() {
    if (!layouts_.sheaves) return;
    Sheaves now = read_sheaves(memory_, layouts_, slub_, sheaf_caches_, cpu_offsets_);
    for (const FreeObject& object : sheaves_.objects) {
      if (std::ranges::binary_search(now.objects, object)) continue;
      if (auto block = live_block(object.object); block && is_of(*block, object.cache)) snapshot_.root_blocks.push_back(*block);
    }
    for (const FreeObject& object : now.objects) {
      if (auto block = live_block(object.object); block && is_of(*block, object.cache)) set_held_free(*block, object.cache);
    }
    slub_.unread_sheaves += sheaves_.unread + now.unread;
    slub_.sheaves = std::move(now.sheaves);
    slub_.sheaves.insert(slub_.sheaves.end(), sheaves_.sheaves.begin(), sheaves_.sheaves.end());
    for (Addr place : deferred_frees(memory_, slub_.symbols, cpu_offsets_, slub_.unread_sheaves)) take_deferred(place);
  }

  void add(const SlabPage& page, OwnerOf& owners) {
    auto known = slub_.by_address.find(page.cache.value);
    Addr start = memory_.space().linear(page.frame * kPageBytes);
    u64 slab_bytes = kPageBytes << page.order;
    if (known == slub_.by_address.end()) {
      ++slub_.foreign_slabs;
      slub_.foreign_bytes += slab_bytes;
      slub_.foreign.push_back({{start, slab_bytes}, RootKind::KernelPages});
      return;
    }
    Cache& cache = slub_.caches[known->second];
    u64 needed = cache.left_pad_bytes + (page.objects == 0 ? 0 : (page.objects - 1) * u64{cache.size_bytes} + cache.object_bytes);
    if (page.objects == 0 || needed > slab_bytes) {
      count_unstable(slab_bytes);
      slub_.foreign.push_back({{start, slab_bytes}, RootKind::KernelPages});
      return;
    }
    u8 flags = cache.is_untracked ? span_flag::kRoot | span_flag::kNoScan : 0;
    u32 index = snapshot_.add_span(start + cache.left_pad_bytes, page.objects, shape_of(cache, known->second, owners), flags);
    Span& span = snapshot_.spans[index];
    if (!find_live(cache, page, span)) {
      count_unstable(slab_bytes);
      span.flags = (span.flags | span_flag::kRoot) & 0xff;
      snapshot_.live.set_range(span.first_slot, span.slots);
    }
    u64 live = snapshot_.live.count(span.first_slot, span.slots);
    ++cache.slabs;
    cache.objects += page.objects;
    cache.live += live;
    if (is_held(page)) cache.held_free += page.objects - live;
    if (layouts_.sheaves) cache_of_span_.push_back(known->second);
  }

 private:
  // The slab's span and slot that an address is in, if the slot is live and the slab was read.
  std::optional<BlockRef> live_slot(Addr at) const {
    auto begin = snapshot_.spans.begin() + static_cast<std::ptrdiff_t>(first_span_);
    auto after = std::ranges::upper_bound(begin, snapshot_.spans.end(), at, {}, &Span::start);
    if (after == begin) return std::nullopt;
    const Span& span = *(after - 1);
    u64 number = (at - span.start) / snapshot_.shape_of(span).stride_bytes;
    if (number >= span.slots || span.has(span_flag::kRoot) || !snapshot_.live.test(span.first_slot + number)) return std::nullopt;
    return BlockRef{static_cast<u32>(after - 1 - snapshot_.spans.begin()), span.first_slot + number};
  }
  std::optional<BlockRef> live_block(Addr object) const {
    auto block = live_slot(object);
    return block && snapshot_.slot_address(snapshot_.spans[block->span], block->slot) == object ? block : std::nullopt;
  }
  bool is_of(BlockRef block, u32 cache) const { return cache_of_span_[block.span - first_span_] == cache; }

  // The kernel counts it as active.
  void set_held_free(BlockRef block, u32 cache) {
    snapshot_.live.clear(block.slot);
    --slub_.caches[cache].live;
    ++slub_.caches[cache].held_free;
  }

  void take_deferred(Addr place) {
    auto block = live_slot(place);
    if (!block) return;
    u32 cache = cache_of_span_[block->span - first_span_];
    Addr object = snapshot_.slot_address(snapshot_.spans[block->span], block->slot);
    if (object + slub_.caches[cache].free_pointer == place) set_held_free(*block, cache);
  }

  void count_unstable(u64 bytes) {
    ++slub_.unstable_slabs;
    slub_.unstable_bytes += bytes;
  }

  Addr descriptor_of(const SlabPage& page) const {
    return memory_.space().page_descriptors + page.frame * layouts_.page.size_bytes;
  }

  std::optional<CpuSlab> read_cpu_slab(Addr where) const {
    const CpuSlabLayout& layout = *layouts_.cpu_slab;
    std::array<std::byte, 128> bytes;
    if (layout.size_bytes > bytes.size() || !memory_.read(where, std::span(bytes).first(layout.size_bytes))) return std::nullopt;
    auto word = [&](Offset offset) { return load_unchecked<u64>(bytes.data() + offset); };
    return CpuSlab{where, Addr{word(layout.freelist)}, word(layout.tid), Addr{word(layout.slab)}, Addr{word(layout.partial)}};
  }

  // The slabs on a CPU's partial list, by the memory map's copy of their descriptors.
  void hold_partial(Addr descriptor) {
    for (u64 n = 0; descriptor && n < map_.slabs.size(); ++n) {
      const SlabPage* page = find_page(descriptor);
      if (page == nullptr || !held_.insert(page->frame).second) return;
      descriptor = page->next;
    }
  }

  const SlabPage* find_page(Addr descriptor) const {
    u64 frame = (descriptor - memory_.space().page_descriptors) / layouts_.page.size_bytes;
    auto found = std::ranges::lower_bound(map_.slabs, frame, {}, &SlabPage::frame);
    return found != map_.slabs.end() && found->frame == frame ? &*found : nullptr;
  }

  bool is_held(const SlabPage& page) const {
    return held_.contains(page.frame) || cpu_slabs_.contains(descriptor_of(page).value);
  }

  u32 shape_of(const Cache& cache, u32 number, OwnerOf& owners) {
    auto [shape, is_new] = shapes_.try_emplace(number, 0);
    if (is_new)
      shape->second = snapshot_.add_shape(cache.size_bytes, cache.object_bytes, owners.owner_of(cache), cache.requested_at);
    return shape->second;
  }

  // Sets the live bits of `span`; false when the slab never held still. `page` is the state that the memory map gave.
  bool find_live(const Cache& cache, SlabPage page, const Span& span) {
    Addr descriptor = descriptor_of(page);
    std::optional<CpuSlab> cpu;
    if (auto found = cpu_slabs_.find(descriptor.value); found != cpu_slabs_.end()) cpu = found->second;
    for (int attempt = 0; attempt < kTries; ++attempt) {
      if (attempt != 0) {
        ++slub_.reread_slabs;
        auto fresh = read_slab(page);
        if (!fresh) return false;
        page = *fresh;
        cpu = claimed_by(cache, page);
      }
      if (!mark_live(cache, page, cpu, span)) continue;
      bool was_read = cpu || page.freelist;
      if (!was_read && (!page.frozen || held_.contains(page.frame))) return true;  // full
      auto now = read_slab(page);
      if (!now) return false;
      if (now->counters != page.counters || now->freelist != page.freelist || !is_same(cpu, claimed_by(cache, page))) continue;
      // Marking will want the contents: they are read once.
      if (!contents_.empty()) kept_.keep(memory_.space().linear(page.frame * kPageBytes), contents_);
      return true;
    }
    return false;
  }

  // The slab's descriptor as it is now; nothing when it is no slab of that cache any more.
  std::optional<SlabPage> read_slab(const SlabPage& page) {
    if (!memory_.read(descriptor_of(page), descriptor_)) return std::nullopt;
    auto now = decode_slab(descriptor_, layouts_.page, layouts_.slab);
    if (!now || now->cache != page.cache || now->objects != page.objects) return std::nullopt;
    now->frame = page.frame;
    now->order = page.order;
    return now;
  }

  // The CPU that allocates from the slab now. Only a frozen slab may have one.
  std::optional<CpuSlab> claimed_by(const Cache& cache, const SlabPage& page) const {
    if (!layouts_.cpu_slab || !page.frozen) return std::nullopt;
    for (u64 offset : cpu_offsets_) {
      auto state = read_cpu_slab(cache.cpu_slab + offset);
      if (state && state->slab == descriptor_of(page)) return state;
    }
    return std::nullopt;
  }

  static bool is_same(const std::optional<CpuSlab>& before, const std::optional<CpuSlab>& after) {
    if (!before || !after) return before.has_value() == after.has_value();
    return before->slab == after->slab && before->freelist == after->freelist && before->tid == after->tid;
  }

  // Sets every slot live and clears those on a freelist; false when a list leads astray.
  bool mark_live(const Cache& cache, const SlabPage& page, const std::optional<CpuSlab>& cpu, const Span& span) {
    contents_ = {};
    if (page.inuse > page.objects) return false;
    snapshot_.live.clear_range(span.first_slot, span.slots);
    // A slab that waits for RCU to be given back holds no objects, and its freelist word is part of an rcu_head.
    if (page.inuse == 0 && !cpu) return true;
    snapshot_.live.set_range(span.first_slot, span.slots);
    u64 free = page.objects - page.inuse;
    if (!page.freelist && (!cpu || !cpu->freelist)) return free == 0;
    u64 bytes = kPageBytes << page.order;
    scratch_.resize(std::max<u64>(scratch_.size(), bytes));
    Addr start = memory_.space().linear(page.frame * kPageBytes);
    contents_ = std::span(scratch_).first(bytes);
    if (!memory_.read(start, std::span(scratch_).first(bytes))) return false;
    Bytes objects = contents_.subspan(cache.left_pad_bytes);
    auto on_slab = walk(cache, page.freelist, objects, span);
    if (on_slab != free) return false;
    return !cpu || walk(cache, cpu->freelist, objects, span).has_value();
  }

  // Clears the live bit of each object on the list; how many, or nothing when the list leads astray.
  std::optional<u64> walk(const Cache& cache, Addr at, Bytes objects, const Span& span) {
    u64 count = 0;
    while (at) {
      u64 offset = at - span.start;
      if (offset >= span.slots * u64{cache.size_bytes} || offset % cache.size_bytes != 0) return std::nullopt;
      u64 slot = span.first_slot + offset / cache.size_bytes;
      if (!snapshot_.live.test(slot)) return std::nullopt;  // seen before
      snapshot_.live.clear(slot);
      ++count;
      auto stored = load<u64>(objects, offset + cache.free_pointer);
      if (!stored) return std::nullopt;
      // v5.7, 1ad53d9fa3f6: the place's own address, byte-swapped, is mixed in.
      Addr place = at + cache.free_pointer;
      at = Addr{cache.is_hardened ? *stored ^ cache.random ^ __builtin_bswap64(place.value) : *stored};
    }
    return count;
  }

  const KernelMemory& memory_;
  CachingMemory& kept_;
  const Layouts& layouts_;
  const PageMap& map_;
  Slub& slub_;
  Snapshot& snapshot_;
  std::vector<std::byte> descriptor_;
  std::vector<std::byte> scratch_;
  Bytes contents_;  // of the slab that was read last; empty: it was not necessary
  std::span<const u64> cpu_offsets_;
  std::unordered_map<u64, CpuSlab> cpu_slabs_;  // by descriptor
  std::unordered_set<u64> held_;                // frames of slabs on a CPU's partial list
  std::unordered_map<u32, u32> shapes_;         // by cache
  std::size_t first_span_;                      // of ours
  std::vector<u32> cache_of_span_;              // from first_span_ on
  std::vector<u32> sheaf_caches_;               // whose sheaves are read
  Sheaves sheaves_;                             // before the slabs were read
};

Cache decode_cache(const KernelMemory& memory, const KmemCacheLayout& layout, Addr address, Bytes bytes) {
  auto word = [&](Offset offset) { return load_unchecked<u64>(bytes.data() + offset); };
  auto half = [&](Offset offset) { return load_unchecked<u32>(bytes.data() + offset); };
  Cache cache;
  cache.address = address;
  cache.name = read_name(memory, Addr{word(layout.name)});
  cache.size_bytes = half(layout.size);
  cache.object_bytes = half(layout.object_size);
  cache.free_pointer = half(layout.offset);
  cache.left_pad_bytes = half(layout.red_left_pad);
  cache.is_hardened = layout.random.has_value();
  if (layout.random) cache.random = word(*layout.random);
  cache.is_merged = static_cast<i32>(half(layout.refcount)) > 1;
  cache.is_untracked = (half(layout.flags) & layout.no_leak_trace.value_or(kNoLeakTrace)) != 0;
  if (layout.cpu_slab) cache.cpu_slab = Addr{word(*layout.cpu_slab)};
  return cache;
}

// Where tracking is on, a kmalloc is cleared only as far as it was asked for.
u32 requested_at(const KernelMemory& memory, const TrackLayout& track, const Cache& cache, u64 flags) {
  if ((flags & track.store_user) == 0 || (flags & track.kmalloc) == 0) return 0;
  auto inuse = read_value<u32>(memory, cache.address + track.cache_inuse);
  if (!inuse || *inuse < cache.object_bytes || *inuse > cache.size_bytes) return 0;
  u64 at = u64{TrackLayout::place(*inuse, cache.free_pointer)} + 2 * track.size_bytes;
  return at + 4 <= cache.size_bytes ? static_cast<u32>(at) : 0;
}

void read_sheaf_members(const KernelMemory& memory, const SheafLayout& layout, Slub& slub, Cache& cache) {
  auto capacity = read_value<u32>(memory, cache.address + layout.capacity);
  auto cpu_sheaves = read_value<u64>(memory, cache.address + layout.cpu_sheaves);
  if (!capacity || !cpu_sheaves) ++slub.unread_sheaves;
  if (!capacity || *capacity == 0 || !cpu_sheaves) return;
  cache.sheaf_capacity = *capacity;
  cache.cpu_sheaves = Addr{*cpu_sheaves};
  cache.barns = barns_of(memory, layout, slub.symbols, cache.address, slub.unread_sheaves);
}

}  // namespace

Result<Slub> read_caches(const KernelMemory& memory, const Layouts& layouts, const SlubSymbols& symbols) {
  const KmemCacheLayout& layout = layouts.cache;
  Slub slub;
  slub.symbols = symbols;
  std::vector<std::byte> bytes(layout.read_bytes);
  std::unordered_set<u64> seen;
  Addr at{TRY(read_value<u64>(memory, symbols.slab_caches))};
  while (at != symbols.slab_caches) {
    Addr address = at - layout.list;
    if (seen.size() >= kMaxCaches || !seen.insert(address.value).second) {
      return Error(ErrorCode::BadData, "the kernel's list of slab caches does not end; it changed while it was read: try again");
    }
    TRY(memory.read(address, bytes));
    Cache cache = decode_cache(memory, layout, address, bytes);
    bool is_sane = cache.size_bytes >= 8 && cache.object_bytes <= cache.size_bytes && cache.left_pad_bytes < cache.size_bytes &&
                   cache.free_pointer + u64{8} <= cache.size_bytes;
    if (is_sane) {
      if (layouts.origins.track) {
        u32 flags = load_unchecked<u32>(bytes.data() + layout.flags);
        cache.requested_at = requested_at(memory, *layouts.origins.track, cache, flags);
      }
      if (layouts.sheaves) read_sheaf_members(memory, *layouts.sheaves, slub, cache);
      slub.by_address.emplace(address.value, static_cast<u32>(slub.caches.size()));
      slub.caches.push_back(std::move(cache));
    }
    at = Addr{load_unchecked<u64>(bytes.data() + layout.list)};
  }
  return slub;
}

void add_slabs(const SlabInput& input, Slub& slub, OwnerOf& owners, Snapshot& snapshot) {
  u64 slots = 0;
  for (const SlabPage& page : input.map.slabs) slots += page.objects;
  snapshot.reserve(input.map.slabs.size() + kOtherBlocks, slots + kOtherBlocks);
  SlabReader reader(input, slub, snapshot);
  reader.read_cpu_slabs(input.percpu);
  reader.read_first_sheaves();
  for (const SlabPage& page : input.map.slabs) reader.add(page, owners);
  reader.apply_sheaves();
}

}  // namespace orphan::kernel
