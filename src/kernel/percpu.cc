// SPDX-License-Identifier: Apache-2.0
#include "kernel/percpu.h"

#include <algorithm>
#include <unordered_set>

namespace orphan::kernel {
namespace {

constexpr u64 kUnitOfAllocation = 4;  // bytes for which the maps hold one bit
constexpr u64 kMaxCpus = 8192;
constexpr u64 kMaxSlots = 64;  // lists of chunks
constexpr u64 kMaxChunks = 1 << 16;
constexpr u64 kMaxChunkPages = 1 << 16;

class Reader {
 public:
  Reader(const KernelMemory& memory, const PerCpuLayout& layout, const PerCpuSymbols& symbols)
      : memory_(memory), layout_(layout), symbols_(symbols) {}

  Result<PerCpu> run() {
    TRY(read_cpus());
    base_ = Addr{TRY(read_value<u64>(memory_, symbols_.base_addr))};
    result_.static_cookies = {symbols_.start, symbols_.end - symbols_.start};
    result_.first_unit = result_.static_cookies;
    unit_bytes_ = TRY(read_value<u32>(memory_, symbols_.unit_size));
    Addr lists{TRY(read_value<u64>(memory_, symbols_.chunk_lists))};
    u64 slots = static_cast<u32>(TRY(read_value<i32>(memory_, symbols_.slot_count)));
    if (slots > kMaxSlots) return Error(ErrorCode::BadData, "pcpu_nr_slots has no plausible value");
    for (u64 slot = 0; slot < slots; ++slot) walk_list(lists + slot * 16);
    Addr reserved{TRY(read_value<u64>(memory_, symbols_.reserved_chunk))};
    if (reserved) add_chunk(reserved);
    std::ranges::sort(result_.areas, {}, &PerCpuArea::cookie);
    return std::move(result_);
  }

 private:
  Result<void> read_cpus() {
    u64 count = TRY(read_value<u32>(memory_, symbols_.cpu_count));
    if (count == 0 || count > kMaxCpus) return Error(ErrorCode::BadData, "nr_cpu_ids has no plausible value");
    std::vector<u64> mask((count + 63) / 64, ~u64{0});
    if (symbols_.possible_mask) TRY(memory_.read(*symbols_.possible_mask, std::as_writable_bytes(std::span(mask))));
    std::vector<u64> offsets(count);
    TRY(memory_.read(symbols_.cpu_offsets, std::as_writable_bytes(std::span(offsets))));
    for (u64 cpu = 0; cpu < count; ++cpu) {
      if ((mask[cpu / 64] >> (cpu % 64) & 1) != 0) result_.offsets.push_back(offsets[cpu]);
    }
    return {};
  }

  // A chunk may move to another list while we walk: what is seen twice is taken once, a broken walk ends the list.
  void walk_list(Addr head) {
    Addr at = head;
    for (u64 n = 0; n < kMaxChunks; ++n) {
      auto next = read_value<u64>(memory_, at);
      if (!next) {
        ++result_.unread_chunks;
        return;
      }
      at = Addr{*next};
      if (at == head) return;
      if (!add_chunk(at - layout_.list)) return;
    }
  }

  bool add_chunk(Addr chunk) {
    if (!seen_.insert(chunk.value).second) return true;
    std::vector<std::byte> bytes(layout_.chunk_bytes);
    if (!memory_.read(chunk, bytes)) {
      ++result_.unread_chunks;
      return false;
    }
    Addr base{load_unchecked<u64>(bytes.data() + layout_.base_addr)};
    u64 pages = load_unchecked<u32>(bytes.data() + layout_.nr_pages);
    u64 begin = load_unchecked<u32>(bytes.data() + layout_.start_offset);
    u64 end_gap = load_unchecked<u32>(bytes.data() + layout_.end_offset);
    u64 size = pages * kPageBytes;
    if (pages == 0 || pages > kMaxChunkPages || begin + end_gap > size) {
      ++result_.unread_chunks;
      return false;
    }
    Addr first_cookie = symbols_.start + (base - base_);
    bool read = add_areas(first_cookie, begin, size - end_gap, bytes);
    if (!read) ++result_.unread_chunks;
    result_.all_chunks.push_back({first_cookie, size, chunk});
    u64 from_start = first_cookie - result_.first_unit.start;
    if (from_start < unit_bytes_) {
      result_.first_unit.size_bytes = std::max(result_.first_unit.size_bytes, from_start + size);
    } else {
      result_.chunks.push_back({first_cookie, size, chunk});
    }
    return true;
  }

  bool add_areas(Addr first_cookie, u64 begin, u64 end, Bytes chunk) {
    u64 bits = end / kUnitOfAllocation;
    std::vector<u64> in_use((bits + 63) / 64 + 1), bounds((bits + 64) / 64 + 1);
    Addr alloc_map{load_unchecked<u64>(chunk.data() + layout_.alloc_map)};
    Addr bound_map{load_unchecked<u64>(chunk.data() + layout_.bound_map)};
    u64 words = (bits + 63) / 64;
    if (!memory_.read(alloc_map, std::as_writable_bytes(std::span(in_use).first(words)))) return false;
    if (!memory_.read(bound_map, std::as_writable_bytes(std::span(bounds).first(words)))) return false;
    auto test = [](const std::vector<u64>& map, u64 bit) { return (map[bit / 64] >> (bit % 64) & 1) != 0; };
    u64 bit = begin / kUnitOfAllocation;
    while (bit < bits) {
      u64 after = bit + 1;
      while (after < bits && !test(bounds, after)) ++after;
      if (test(in_use, bit)) {
        result_.areas.push_back({first_cookie + bit * kUnitOfAllocation, (after - bit) * kUnitOfAllocation});
      }
      bit = after;
    }
    return true;
  }

  const KernelMemory& memory_;
  const PerCpuLayout& layout_;
  const PerCpuSymbols& symbols_;
  Addr base_;
  u64 unit_bytes_ = 0;  // of one CPU's part of a chunk
  PerCpu result_;
  std::unordered_set<u64> seen_;
};

}  // namespace

Result<PerCpu> read_percpu(const KernelMemory& memory, const PerCpuLayout& layout, const PerCpuSymbols& symbols) {
  return Reader(memory, layout, symbols).run();
}

}  // namespace orphan::kernel
