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

}  // namespace

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
    // The tables two levels above memory are the lowest that the kernel does not mark.
    if (top && linear.contains(Addr{*top})) walker.add_top(Addr{*top} - memory.space().linear_map, 3);
  }
  return walker.result();
}

}  // namespace orphan::kernel
