// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory_limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace orphan::kernel {
namespace {

constexpr u64 kMiB = 1 << 20;
constexpr u64 kFixedBytes = 8 * kMiB;  // buffers, groups, the graph of the leaks, the report
// Of a slab: a Span, a SlabPage while the memory map is read, and what is kept of its candidates in this pass and the last one.
constexpr u64 kSlabBytes = 24 + 84 + 2 * 64;
constexpr u64 kBitsOfSlot = 12;   // at the same time, at most
constexpr u64 kBitsOfPage = 4;    // plain, reserved, unused, settled
constexpr u64 kIndexBytes = 4;    // of a page
constexpr u64 kLeafBytes = 2048;  // of the index, for the pages around a slab
constexpr u64 kFewestChecksums = 4096;

std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

u64 number(std::string_view word) {
  u64 value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

}  // namespace

void count_slabs(std::string_view slabinfo, MemoryNeeds& needs) {
  while (!slabinfo.empty()) {
    std::string_view line = slabinfo.substr(0, slabinfo.find('\n'));
    slabinfo.remove_prefix(std::min(line.size() + 1, slabinfo.size()));
    if (line.starts_with("slabinfo") || line.starts_with('#')) continue;
    // name, active_objs, num_objs, objsize, objperslab
    std::array<std::string_view, 5> words;
    for (std::string_view& word : words) word = next_word(line);
    u64 slots = number(words[2]), in_slab = number(words[4]);
    if (in_slab == 0) continue;
    needs.slots += slots;
    needs.slabs += slots / in_slab;
  }
}

Result<MemoryPlan> plan_memory(u64 limit_bytes, const MemoryNeeds& needs, u64 cache_bytes) {
  u64 index = std::min(needs.ram_pages * kIndexBytes, needs.slabs * kLeafBytes);
  u64 fixed = needs.resident_bytes + kFixedBytes + needs.slabs * kSlabBytes +
              (needs.slots * kBitsOfSlot + needs.ram_pages * kBitsOfPage) / 8 + index + kFewestChecksums * sizeof(u16);
  if (limit_bytes < fixed) {
    return Error(ErrorCode::Usage,
                 fmt::format("--memory-limit: {}M is not enough: a scan of this kernel, with {} places for objects, "
                             "needs {}M or more",
                             limit_bytes / kMiB, needs.slots, fixed / kMiB + 1));
  }
  u64 left = limit_bytes - fixed;
  u64 cache = std::min(cache_bytes, left / 2);
  // An allocation for each slab costs a little more than the checksums in it.
  u64 checksums = (left - cache) / 9 * 4;
  return MemoryPlan{cache, std::max(checksums, kFewestChecksums)};
}

}  // namespace orphan::kernel
