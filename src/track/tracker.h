// SPDX-License-Identifier: Apache-2.0
// Notes in the running kernel who allocates what, by programs on its tracepoints (track.bpf.c), from start() until stop().
#pragma once
#include <memory>

#include "base/result.h"
#include "kernel/modules.h"
#include "report/report.h"
#include "track/record_table.h"

struct btf;

namespace orphan::track {

inline constexpr u32 kAllStacks = ~0U;

// A folder of cgroup v2's file system: its tasks and those below.
struct Cgroup {
  u64 id = 0;
  u32 level = 0;  // how far below the root
};

// Which allocations are to be noted.
struct Wanted {
  struct Cache {
    Addr address;
    u32 slot_bytes = 0;
  };
  std::vector<Cache> caches;    // that kmem_cache_alloc() is called for
  std::vector<u32> kmallocs;    // by the bytes of their slots
  bool large_kmallocs = false;  // of whole pages
  bool vmalloc = false;
  bool percpu = false;
  bool pages = false;
};

struct TrackOptions {
  u64 ram_bytes = 0;    // of the machine
  u64 table_bytes = 0;  // of records; 0: a share of the machine's memory
  // That are taken of one way to a call site in some 0.26 s (of 250 ticks a second), and 32 times as many of the site;
  // kAllStacks: each.
  u32 stacks_a_window = 4;
  u32 least_bytes = 0;  // kmallocs of smaller slots are not noted
  u32 only_tgid = 0;    // 0: everybody's
  std::optional<Cgroup> only_cgroup = {};
  u64 sample_bytes = 0;  // about one note for so many bytes; 0: one for each allocation
  bool pages = false;    // of the page allocator, too; takes the next three
  Addr page_descriptors = {}, linear_map = {};
  u64 descriptor_bytes = 64;
  std::optional<Wanted> wanted = {};  // nothing: all
  bool frees = false;                 // a note goes when its block is freed, and caches' names are learned
};

// Since start(), on all CPUs together.
struct TrackCounts {
  u64 events = 0;
  u64 records = 0;
  u64 replaced = 0;     // records that took another address's place, whose block may live
  u64 stacks = 0;       // that were taken
  u64 lost_stacks = 0;  // of these, for which there was no room
  u64 lost = 0;         // allocations that could not be noted
  u64 frees = 0;        // with TrackOptions::frees
  u64 missed_runs = 0;  // programs that the kernel did not start, since they were running on that CPU already
};

// The kernel's clock of notes at one moment.
struct Moment {
  u64 jiffies = 0;
  u64 ns = 0;  // of CLOCK_MONOTONIC
};

class Tracker {
 public:
  // Permission: BPF is not to be used, and why; Unsupported: this kernel has not what it takes; Usage: more is wanted than there
  // are places for.
  static Result<std::unique_ptr<Tracker>> start(const TrackOptions& options);
  ~Tracker();
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // What could not be attached, in words.
  const std::vector<Coverage>& coverage() const { return coverage_; }
  TrackCounts counts() const;
  u64 table_bytes() const;
  Result<Moment> now() const;
  // That were loaded, as far as there were places for them. Each is a name and where its code was.
  std::vector<kernel::Module> modules() const;
  // What is known of a cache of which there are notes, by the low half of its address.
  const orphan_cache* cache(u32 key) const;
  // Gives back the room of stacks that no record has any more.
  void reclaim_stacks();
  // Detaches all programs, and waits until none runs. The tables stay.
  void stop();
  // To be asked after stop().
  const RecordTable& records() const { return *table_; }
  // As they are by now, while more are written.
  const RecordTable& records_so_far() {
    table_->learn_sites();
    return *table_;
  }

 private:
  struct Maps;
  struct Programs;
  Tracker();

  Result<void> load(const TrackOptions& options);
  // Which programs are to be loaded; true: some take trampolines.
  bool choose(const TrackOptions& options, const btf* types, bool with_trampolines);
  Result<void> put_wanted(const Wanted& wanted, bool has_cache_argument);
  void attach();
  void not_attached(const std::string& what, bool is_free, int error);

  std::unique_ptr<Programs> programs_;
  std::unique_ptr<Maps> maps_;
  std::optional<RecordTable> table_;
  std::vector<Coverage> coverage_;
  int trampoline_error_ = 0;  // why there are none
  u64 missed_runs_ = 0;       // when it was stopped
};

}  // namespace orphan::track
