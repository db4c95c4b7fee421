// SPDX-License-Identifier: Apache-2.0
#include "kernel/vmalloc.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

// include/linux/vmalloc.h; the same since v2.6 and v5.0 (the last).
constexpr u64 kVmAlloc = 0x02;
constexpr u64 kVmUninitialized = 0x20;
constexpr u64 kMaxAreas = 1 << 24;
constexpr u64 kMaxNodes = 1 << 10;
constexpr int kTries = 16;

class Reader {
 public:
  Reader(const KernelMemory& memory, const VmallocLayout& layout, const VmallocSymbols& symbols)
      : memory_(memory), layout_(layout), symbols_(symbols), area_(layout.area_bytes), vm_(layout.vm_bytes) {}

  Result<Vmalloc> run() {
    if (symbols_.area_list) walk(*symbols_.area_list);
    if (symbols_.nodes && symbols_.node_count && layout_.node_busy_list) TRY(walk_nodes());
    std::ranges::sort(result_.areas, {}, &VmallocArea::start);
    return std::move(result_);
  }

 private:
  Result<void> walk_nodes() {
    Addr nodes{TRY(read_value<u64>(memory_, *symbols_.nodes))};
    u64 count = TRY(read_value<u32>(memory_, *symbols_.node_count));
    if (count == 0 || count > kMaxNodes) return Error(ErrorCode::BadData, "nr_vmap_nodes has no plausible value");
    for (u64 i = 0; i < count; ++i) walk(nodes + i * layout_.node_bytes + *layout_.node_busy_list);
    return {};
  }

  // Areas stand on a list in the order of their addresses: a step back shows that the list changed under us. So does a link back
  // that leads elsewhere: the area was freed, and its record is another's by now, further on in the list.
  void walk(Addr head) {
    std::size_t before = result_.areas.size();
    for (int attempt = 0; attempt < kTries; ++attempt) {
      if (walk_once(head)) return;
      result_.areas.resize(before);
      ++result_.restarts;
    }
    ++result_.broken_lists;
  }

  bool walk_once(Addr head) {
    auto first = read_value<u64>(memory_, head);
    if (!first) return false;
    Addr link{*first};
    Addr before = head;
    u64 last = 0;
    for (u64 n = 0; link != head; ++n) {
      if (n == kMaxAreas || !memory_.read(link - layout_.area_list, area_)) return false;
      u64 start = word(area_, layout_.va_start);
      if (start <= last || !is_plausible(start, word(area_, layout_.va_end))) return false;
      if (word(area_, layout_.area_list + 8) != before.value) return false;
      last = start;
      Addr vm{word(area_, layout_.area_vm)};
      if (vm && !add(link - layout_.area_list, vm)) return false;
      before = link;
      link = Addr{word(area_, layout_.area_list)};
    }
    return true;
  }

  bool is_plausible(u64 start, u64 end) const {
    Addr at{start};
    return start < end && start % kPageBytes == 0 &&
           (memory_.space().vmalloc.contains(at) || memory_.space().modules.contains(at));
  }

  // False: what should be its vm_struct is gone, the area will be, too.
  bool add(Addr area, Addr vm) {
    VmallocArea result{};
    result.start = Addr{word(area_, layout_.va_start)};
    result.reserved_bytes = word(area_, layout_.va_end) - result.start.value;
    result.area = area;
    result.vm = vm;
    // Areas of vm_map_ram keep other things in this word; whoever is no vm_struct of this area is none.
    if (!memory_.space().linear_span().contains(vm)) return true;
    if (!memory_.read(vm, vm_)) return false;
    if (word(vm_, layout_.vm_addr) != result.start.value) return true;
    u64 flags = word(vm_, layout_.vm_flags);
    u64 pages = load_unchecked<u32>(vm_.data() + layout_.vm_nr_pages);
    result.caller = Addr{word(vm_, layout_.vm_caller)};
    result.is_allocated = (flags & kVmAlloc) != 0;
    bool has_pages = word(vm_, layout_.vm_pages) != 0 && pages != 0 && pages <= result.reserved_bytes / kPageBytes;
    if (result.is_allocated && has_pages && (flags & kVmUninitialized) == 0) result.size_bytes = pages * kPageBytes;
    result_.areas.push_back(result);
    return true;
  }

  static u64 word(const std::vector<std::byte>& bytes, Offset offset) { return load_unchecked<u64>(bytes.data() + offset); }

  const KernelMemory& memory_;
  const VmallocLayout& layout_;
  const VmallocSymbols& symbols_;
  std::vector<std::byte> area_, vm_;
  Vmalloc result_;
};

}  // namespace

Result<Vmalloc> read_vmalloc(const KernelMemory& memory, const VmallocLayout& layout, const VmallocSymbols& symbols) {
  return Reader(memory, layout, symbols).run();
}

}  // namespace orphan::kernel
