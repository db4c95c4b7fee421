// SPDX-License-Identifier: Apache-2.0
// Notes in the running kernel who allocates what, by programs on its tracepoints (track.bpf.c), from start() until stop().
#pragma once
#include <memory>

#include "base/result.h"
#include "report/report.h"
#include "track/record_table.h"

namespace orphan::kernel {
class Target;
}

namespace orphan::track {

inline constexpr u32 kAllStacks = ~0U;

struct TrackOptions {
  u64 table_bytes = 0;  // of records; 0: a share of the machine's memory
  // That are taken of one way to a call site in some 0.26 s (of 250 ticks a second), and 32 times as many of the site;
  // kAllStacks: each.
  u32 stacks_a_window = 4;
  u32 least_bytes = 0;  // smaller kmallocs are not noted
  u32 only_tgid = 0;    // 0: everybody's
  bool pages = false;   // of the page allocator, too
};

// Since start(), on all CPUs together.
struct TrackCounts {
  u64 events = 0;
  u64 records = 0;
  u64 replaced = 0;     // records that took another address's place, whose block may live
  u64 stacks = 0;       // that were taken
  u64 lost_stacks = 0;  // of these, for which there was no room
  u64 lost = 0;         // allocations that could not be noted
  u64 missed_runs = 0;  // programs that the kernel did not start, since they were running on that CPU already
};

class Tracker {
 public:
  // Permission: BPF is not to be used, and why; Unsupported: this kernel has not what it takes.
  static Result<std::unique_ptr<Tracker>> start(const TrackOptions& options, kernel::Target& target);
  ~Tracker();
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // What could not be attached, in words.
  const std::vector<Coverage>& coverage() const { return coverage_; }
  TrackCounts counts() const;
  u64 table_bytes() const;
  // Gives back the room of stacks that no record has any more.
  void reclaim_stacks();
  // Detaches all programs, and waits until none runs. The tables stay.
  void stop();
  // To be asked after stop().
  const RecordTable& records() const { return *table_; }

 private:
  struct Maps;
  struct Programs;
  Tracker();

  Result<void> load(const TrackOptions& options, kernel::Target& target);
  void attach();
  void not_attached(const std::string& what, int error);

  std::unique_ptr<Programs> programs_;
  std::unique_ptr<Maps> maps_;
  std::optional<RecordTable> table_;
  std::vector<Coverage> coverage_;
  u64 missed_runs_ = 0;  // when it was stopped
};

}  // namespace orphan::track
