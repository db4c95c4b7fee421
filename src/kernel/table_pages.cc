// SPDX-License-Identifier: Apache-2.0
#include "kernel/table_pages.h"

#include <array>
#include <unordered_set>

namespace orphan::kernel {
namespace {

constexpr u64 kPresent = 1 << 0;
constexpr u64 kLargePage = 1 << 7;
constexpr std::size_t kEntries = 512;
constexpr std::size_t kMaxTables = 1 << 22;  // 16 GiB of them
constexpr std::size_t kMaxSpaces = 1 << 20;
// The tables two levels above memory are the lowest that the kernel does not mark.
constexpr u32 kLowestUnmarked = 3;

class Walker {
 public:
  explicit Walker(const KernelMemory& memory) : memory_(memory) {}

  // Adds what the entries [first, last) of the table lead to. `level` is the table's, 1 the one whose entries are pages; tables
  // below `lowest` are not asked for.
  void walk(u64 physical, std::size_t first, std::size_t last, u32 level, u32 lowest) {
    std::array<u64, kEntries> entries;
    if (level <= lowest || !memory_.read(memory_.space().linear(physical), std::as_writable_bytes(std::span(entries)))) return;
    for (std::size_t i = first; i < last; ++i) {
      if ((entries[i] & kPresent) == 0 || (entries[i] & kLargePage) != 0) continue;
      u64 below = entries[i] & memory_.space().format.address_mask;
      if (frames_.size() >= kMaxTables || !frames_.insert(below / kPageBytes).second) continue;
      walk(below, 0, kEntries, level - 1, lowest);
    }
  }
  void add_top(u64 physical, u32 lowest) {
    if (!frames_.insert(physical / kPageBytes).second) return;
    walk(physical, 0, kEntries / 2, memory_.space().format.levels, lowest);
  }
  std::vector<u64> result() const { return {frames_.begin(), frames_.end()}; }

 private:
  const KernelMemory& memory_;
  std::unordered_set<u64> frames_;
};

// Goes down to the pages, and knows where they are mapped.
class MappedWalker {
 public:
  MappedWalker(const KernelMemory& memory, Range image, const std::function<void(u64, u64)>& f)
      : memory_(memory), space_(memory.space()), linear_(memory.space().linear_span()), image_(image), f_(f) {}

  void run() {
    u32 levels = space_.format.levels;
    walk(space_.top_table - space_.linear_map, levels, Addr{~u64{0} << (12 + 9 * levels)}, kEntries / 2);
  }

 private:
  // `base` is what the table's first entry maps; those from `first` on count.
  void walk(u64 physical, u32 level, Addr base, std::size_t first) {
    std::array<u64, kEntries> entries;
    if (!memory_.read(space_.linear(physical), std::as_writable_bytes(std::span(entries)))) return;
    u64 size = u64{1} << (12 + 9 * (level - 1));
    for (std::size_t i = first; i < kEntries; ++i) {
      Range mapped{base + i * size, size};
      if ((entries[i] & kPresent) == 0 || linear_.contains(mapped)) continue;
      u64 below = entries[i] & space_.format.address_mask;
      if (level == 1 || (entries[i] & kLargePage) != 0) {
        if (!linear_.contains(mapped.start) && !image_.contains(mapped.start))
          f_(align_down(below, size) / kPageBytes, size / kPageBytes);
      } else if (seen_.size() < kMaxTables && seen_.insert(below).second) {
        walk(below, level - 1, mapped.start, 0);
      }
    }
  }

  const KernelMemory& memory_;
  const AddressSpace& space_;
  Range linear_, image_;
  const std::function<void(u64, u64)>& f_;
  std::unordered_set<u64> seen_;
};

}  // namespace

std::vector<u64> listed_table_pages(const KernelMemory& memory, const PageLayout& page, Addr head) {
  Walker walker(memory);
  const AddressSpace& space = memory.space();
  u64 pages = space.linear_span().end() - space.linear_map;
  Range descriptors{space.page_descriptors, pages / kPageBytes * page.size_bytes};
  std::unordered_set<u64> seen;
  auto node = read_value<u64>(memory, head);
  while (node && descriptors.contains(Addr{*node}) && seen.size() < kMaxSpaces && seen.insert(*node).second) {
    walker.add_top((Addr{*node} - space.page_descriptors) / page.size_bytes * kPageBytes, kLowestUnmarked);
    node = read_value<u64>(memory, Addr{*node});
  }
  return walker.result();
}

void for_each_mapped_frame(const KernelMemory& memory, Range image, const std::function<void(u64, u64)>& f) {
  MappedWalker(memory, image, f).run();
}

std::vector<u64> kernel_table_pages(const KernelMemory& memory) {
  Walker walker(memory);
  const AddressSpace& space = memory.space();
  walker.walk(space.top_table - space.linear_map, kEntries / 2, kEntries, space.format.levels, 1);
  return walker.result();
}

std::vector<u64> process_table_pages(const KernelMemory& memory, const TaskLayout& task, u32 mm_pgd,
                                     std::span<const Task> tasks) {
  Walker walker(memory);
  Range linear = memory.space().linear_span();
  std::unordered_set<u64> seen;
  for (const Task& each : tasks) {
    if (each.is_kernel_thread) continue;
    auto mm = read_value<u64>(memory, each.task + task.mm);
    if (!mm || *mm == 0 || !seen.insert(*mm).second) continue;
    auto top = read_value<u64>(memory, Addr{*mm} + mm_pgd);
    if (top && linear.contains(Addr{*top})) walker.add_top(Addr{*top} - memory.space().linear_map, kLowestUnmarked);
  }
  return walker.result();
}

}  // namespace orphan::kernel
