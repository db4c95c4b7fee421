// SPDX-License-Identifier: Apache-2.0
// What a kernel booted with slub_debug=U tells of a cache by itself: who allocated the objects that are in use, and who freed
// those that are not, in debugfs' slab/<cache>/alloc_traces and free_traces (since 5.16), or sysfs' slab/<cache>/alloc_calls and
// free_calls (before, without stacks):
//
//          12 kmalloc_trace+0x26/0x90 waste=120/10 age=125/3500/9000 pid=1-116 cpus=0-1
//             __kmem_cache_alloc_node+0x1b3/0x300
//             kmalloc_trace+0x26/0x90
//             leak_blocks+0x21/0x8b [leaky]
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "report/report.h"

namespace orphan::logs {

// Ages are in ticks of the kernel's clock.
struct SlubTrack {
  u64 count = 0;
  u64 wasted_bytes = 0;  // that were given beyond what was asked for, of all of them; since 6.1
  std::optional<u64> youngest = {}, oldest = {};
  std::string pids = {};  // "1-116"
  std::vector<Frame> stack = {};
};

// Empty: "No data". BadData: the text is none of these files; the error names the line.
Result<std::vector<SlubTrack>> read_slub_tracks(std::string_view text);

// What two groups have in common that have the same stack, whether or not lines of source are known.
std::string stack_key(const std::vector<Frame>& stack);

// As groups of a report; `ticks_a_second` 0: not known. Those with one stack are one.
std::vector<Leak> groups_of_tracks(const std::vector<SlubTrack>& tracks, std::string_view cache, double ticks_a_second);

// How many objects more there are than there were, by stack; those that are not more are left out.
std::map<std::string, u64> growth(const std::vector<Leak>& before, const std::vector<Leak>& after);

}  // namespace orphan::logs
