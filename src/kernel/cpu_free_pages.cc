// SPDX-License-Identifier: Apache-2.0
#include "kernel/cpu_free_pages.h"

namespace orphan::kernel {
namespace {

constexpr u64 kMaxNodes = 1 << 10;
constexpr u64 kMaxListPages = 1 << 16;
// Lists up to this order come first, those for huge pages behind them (v5.14, 44042b449872).
constexpr u32 kMaxListOrder = 3;
constexpr u8 kHugeOrder = 9;

class Reader {
 public:
  Reader(const KernelMemory& memory, const PageLayout& page, const ZoneLayout& zone, std::span<const u64> cpu_offsets)
      : memory_(memory), page_(page), zone_(zone), cpu_offsets_(cpu_offsets) {}

  void add_node(Addr node) {
    for (u32 i = 0; i < zone_.zones; ++i) {
      Addr zone = node + zone_.node_zones + u64{i} * zone_.zone_bytes;
      auto lists = read_value<u64>(memory_, zone + zone_.per_cpu_lists);
      if (!lists) continue;
      for (u64 offset : cpu_offsets_) add_lists(Addr{*lists} + offset);
    }
  }
  std::vector<CompoundPage> result() { return std::move(result_); }

 private:
  void add_lists(Addr lists) {
    auto count = read_value<u32>(memory_, lists + zone_.count);
    if (!count || *count == 0) return;
    for (u32 i = 0; i < zone_.list_count; ++i) {
      u32 order = i / zone_.lists_per_order;
      walk(lists + zone_.lists + u64{i} * 16, order <= kMaxListOrder ? static_cast<u8>(order) : kHugeOrder);
    }
  }

  void walk(Addr head, u8 order) {
    auto next = read_value<u64>(memory_, head);
    for (u64 n = 0; next && Addr{*next} != head && n < kMaxListPages; ++n) {
      u64 at = *next - page_.lru - memory_.space().page_descriptors.value;
      u64 frame = at / page_.size_bytes;
      Range linear = memory_.space().linear_span();
      if (at % page_.size_bytes != 0 || !linear.contains(memory_.space().linear(frame * kPageBytes))) return;
      result_.push_back({frame, order});
      next = read_value<u64>(memory_, Addr{*next});
    }
  }

  const KernelMemory& memory_;
  const PageLayout& page_;
  const ZoneLayout& zone_;
  std::span<const u64> cpu_offsets_;
  std::vector<CompoundPage> result_;
};

}  // namespace

std::vector<CompoundPage> cpu_free_pages(const KernelMemory& memory, const PageLayout& page, const ZoneLayout& zone,
                                         const ZoneSymbols& symbols, std::span<const u64> cpu_offsets) {
  Reader reader(memory, page, zone, cpu_offsets);
  if (symbols.only_node) reader.add_node(*symbols.only_node);
  if (symbols.nodes && symbols.node_count) {
    auto count = read_value<u32>(memory, *symbols.node_count);
    for (u64 i = 0; count && i < std::min<u64>(*count, kMaxNodes); ++i) {
      auto node = read_value<u64>(memory, *symbols.nodes + i * 8);
      if (node && *node != 0) reader.add_node(Addr{*node});
    }
  }
  return reader.result();
}

}  // namespace orphan::kernel
