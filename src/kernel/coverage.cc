// SPDX-License-Identifier: Apache-2.0
#include "kernel/coverage.h"

#include <fmt/format.h>

#include <algorithm>

namespace orphan::kernel {

LookGaps worst_of(const LookGaps& a, const LookGaps& b) {
  return {.unread_descriptors = std::max(a.unread_descriptors, b.unread_descriptors),
          .unread_chunks = std::max(a.unread_chunks, b.unread_chunks),
          .unread_sheaves = std::max(a.unread_sheaves, b.unread_sheaves),
          .broken_area_lists = std::max(a.broken_area_lists, b.broken_area_lists),
          .tasks_incomplete = a.tasks_incomplete || b.tasks_incomplete,
          .modules_incomplete = a.modules_incomplete || b.modules_incomplete,
          .kfence_incomplete = a.kfence_incomplete || b.kfence_incomplete,
          .unmapped_linear_bytes = std::max(a.unmapped_linear_bytes, b.unmapped_linear_bytes)};
}

std::vector<Coverage> coverage_of(const PassRecord& r, const ScanGaps& gaps) {
  std::vector<Coverage> coverage;
  auto gap = [&](std::string what, Tally size, std::string why, bool incomplete = true) {
    if (size.count == 0 && size.bytes == 0) return;
    coverage.push_back(
        {.what = std::move(what), .bytes = size.bytes, .count = size.count, .why = std::move(why), .incomplete = incomplete});
  };
  gap("interrupted scans", {gaps.is_interrupted ? 1U : 0U, 0}, "stopped before two passes agreed");
  gap("who hangs below whom", {gaps.not_graphed, 0}, "not worked out for so many leaks: each is shown as its own head", false);
  gap("cache of contents", {0, gaps.cache_cut_bytes}, "kept out of it because of --memory-limit: more is read twice", false);
  gap("parts of the candidates", {gaps.parts, 0},
      fmt::format("looked at one by one because of --memory-limit, {:g} s each", gaps.seconds_of_a_part), false);
  gap("weak references", {gaps.not_searched_weakly, 0},
      "not looked for: too many leaks, or stopped; some of these may be in use by one", false);
  gap("page descriptors", {r.gaps.unread_descriptors, r.gaps.unread_descriptors * kPageBytes},
      "could not be read: what their pages hold is not known");
  gap("RAM outside the page tables", {0, r.gaps.unmapped_linear_bytes}, "reads as zeros: references in it are not seen");
  gap("per-CPU chunks", {r.gaps.unread_chunks, 0}, "changed while they were read: areas in them are not known");
  gap("sheaves", {r.gaps.unread_sheaves, 0}, "could not be read: free objects in them may look like leaks");
  gap("vmalloc lists", {r.gaps.broken_area_lists, 0}, "changed at every try: areas may be missing");
  gap("task lists", {r.gaps.tasks_incomplete ? 1U : 0U, 0}, "changed at every try: stacks may be missing");
  gap("module lists", {r.gaps.modules_incomplete ? 1U : 0U, 0}, "changed while it was read: data of modules may be missing");
  gap("KFENCE's table", {r.gaps.kfence_incomplete ? 1U : 0U, 0}, "could not be read: its objects are not known");
  gap("memory of roots and blocks", {0, r.unread_bytes}, "was gone when its turn came: references in it are not seen", false);
  // A few slabs are always moving on a busy machine; many mean that leaks may hide in them.
  gap("slabs that did not hold still", {r.unstable_slabs, r.unstable_slab_bytes}, "their objects were taken as referenced",
      r.unstable_slabs * 100 > r.all_slabs);
  gap("slabs of unlisted caches", {r.foreign_slabs, r.foreign_bytes},
      "caches being made or destroyed: their memory was taken as roots", r.foreign_slabs * 100 > r.all_slabs);
  gap("objects that the kernel marks as untracked", r.untracked, "caches with SLAB_NOLEAKTRACE: neither scanned nor judged",
      false);
  if (!r.no_self_test.empty()) gap("self-tests", {1, 0}, "no comparison with the kernel's own count: " + r.no_self_test, false);
  return coverage;
}

}  // namespace orphan::kernel
