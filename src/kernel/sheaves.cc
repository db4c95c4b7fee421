// SPDX-License-Identifier: Apache-2.0
#include "kernel/sheaves.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

constexpr u32 kMaxNodes = 1024;        // MAX_NUMNODES
constexpr u32 kMaxCapacity = 1 << 13;  // of a sheaf: what fits in the largest kmalloc that is no compound page, and more
constexpr u64 kMaxSheaves = 1 << 16;   // on one list; the kernel keeps ten
constexpr u64 kMaxDeferred = 1 << 16;
constexpr u64 kObjectAlignment = 8;

class Reader {
 public:
  Reader(const KernelMemory& memory, const SheafLayout& layout) : memory_(memory), layout_(layout) {}

  void read_cache(const Cache& cache, u32 number, std::span<const u64> cpu_offsets) {
    std::vector<std::byte> state(layout_.cpu_bytes);
    for (u64 offset : cpu_offsets) {
      if (!memory_.read(cache.cpu_sheaves + offset, state)) {
        ++result_.unread;
        continue;
      }
      for (Offset member : {layout_.main, layout_.spare, layout_.rcu_free}) {
        Addr sheaf{load_unchecked<u64>(state.data() + member)};
        if (sheaf) add(sheaf, cache, number);
      }
    }
    for (Addr barn : cache.barns) {
      walk(barn + layout_.full, cache, number);
      walk(barn + layout_.empty, cache, number);
    }
  }

  Sheaves take() {
    std::ranges::sort(result_.objects);
    auto repeated = std::ranges::unique(result_.objects);
    result_.objects.erase(repeated.begin(), repeated.end());
    return std::move(result_);
  }

 private:
  // A list of sheaves. It may change under us: then some are missed, in this look.
  void walk(Addr head, const Cache& cache, u32 number) {
    Addr at = head;
    for (u64 n = 0; n < kMaxSheaves; ++n) {
      auto next = read_value<u64>(memory_, at);
      if (!next) ++result_.unread;
      if (!next || *next == head.value || !add(Addr{*next} - layout_.links, cache, number)) return;
      at = Addr{*next};
    }
  }

  // False: what stands there is no sheaf of this cache. The kernel has one for all caches that have none.
  bool add(Addr sheaf, const Cache& cache, u32 number) {
    contents_.resize(layout_.objects + u64{std::min(cache.sheaf_capacity, kMaxCapacity)} * 8);
    if (!memory_.read(sheaf, contents_)) {
      ++result_.unread;
      return false;
    }
    if (load_unchecked<u64>(contents_.data() + layout_.cache) != cache.address.value) return false;
    u64 count = std::min(load_unchecked<u32>(contents_.data() + layout_.size), cache.sheaf_capacity);
    result_.sheaves.push_back(sheaf);
    for (u64 i = 0; i < count && i < kMaxCapacity; ++i) {
      result_.objects.push_back({Addr{load_unchecked<u64>(contents_.data() + layout_.objects + i * 8)}, number});
    }
    return true;
  }

  const KernelMemory& memory_;
  const SheafLayout& layout_;
  std::vector<std::byte> contents_;
  Sheaves result_;
};

}  // namespace

Sheaves read_sheaves(const KernelMemory& memory, const Layouts& layouts, const Slub& slub, std::span<const u32> caches,
                     std::span<const u64> cpu_offsets) {
  if (!layouts.sheaves) return {};
  Reader reader(memory, *layouts.sheaves);
  for (u32 number : caches) {
    const Cache& cache = slub.caches[number];
    if (cache.sheaf_capacity != 0) reader.read_cache(cache, number, cpu_offsets);
  }
  return reader.take();
}

std::vector<Addr> deferred_frees(const KernelMemory& memory, const SlubSymbols& symbols, std::span<const u64> cpu_offsets,
                                 u64& unread) {
  std::vector<Addr> found;
  if (!symbols.deferred) return found;
  for (u64 offset : cpu_offsets) {
    Addr at = *symbols.deferred + offset;  // struct defer_free begins with the list
    for (u64 n = 0; n < kMaxDeferred; ++n) {
      auto next = read_value<u64>(memory, at);
      if (!next) ++unread;
      if (!next || !memory.space().linear_span().contains(Addr{*next})) break;
      at = Addr{*next};
      found.push_back(at);
    }
  }
  return found;
}

std::vector<Addr> barns_of(const KernelMemory& memory, const SheafLayout& layout, const SlubSymbols& symbols, Addr cache,
                           u64& unread) {
  u32 nodes = 1;
  if (symbols.node_count) {
    auto count = read_value<u32>(memory, *symbols.node_count);
    if (!count) ++unread;
    if (count) nodes = std::min(*count, kMaxNodes);
  }
  std::vector<Addr> barns;
  for (u32 node = 0; node < nodes; ++node) {
    auto entry = read_value<u64>(memory, cache + layout.nodes + u64{node} * layout.node_stride + layout.node_entry);
    if (entry && *entry != 0 && layout.node_barn) entry = read_value<u64>(memory, Addr{*entry} + *layout.node_barn);
    if (!entry) ++unread;
    if (entry && *entry != 0) barns.push_back(Addr{*entry});
  }
  return barns;
}

bool is_sheaf(Bytes contents, const SheafLayout& layout, std::span<const Addr> caches, Range linear) {
  if (contents.size() < layout.objects + u64{8}) return false;
  if (!std::ranges::binary_search(caches, Addr{load_unchecked<u64>(contents.data() + layout.cache)})) return false;
  u64 room = (contents.size() - layout.objects) / 8;
  u64 size = load_unchecked<u32>(contents.data() + layout.size);
  if (size > room || load_unchecked<u32>(contents.data() + layout.node) >= kMaxNodes) return false;
  auto is_object = [&](u64 word) { return word % kObjectAlignment == 0 && linear.contains(Addr{word}); };
  for (u64 i = 0; i < (size == 0 ? room : size); ++i) {
    u64 word = load_unchecked<u64>(contents.data() + layout.objects + i * 8);
    if (!is_object(word) && (size != 0 || word != 0)) return false;
  }
  return true;
}

}  // namespace orphan::kernel
