// SPDX-License-Identifier: Apache-2.0
// Reads what was sampled: which series there are, when samples were taken, and the values of series over time. A file can be read
// while it is written; what is read is as it was at open().
//
//     Samples samples = TRY(Samples::open(path));
//     for (const Series& series : samples.series()) …             // choose by kind, name, field
//     std::vector<Values> values = TRY(samples.read({id, …}));    // of all wanted in one go: each read() reads the whole file
//     samples.times()[values[0].at[i]].time_ms, values[0].values[i]
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/sqlite.h"
#include "watch/coding.h"
#include "watch/series.h"
#include "watch/store.h"

namespace orphan::watch {

struct Series {
  u32 id = 0;
  Kind kind = Kind::Memory;
  std::string name;   // a cache, a caller, "comm pid start", a cgroup's path; empty where there is only one thing of the kind
  std::string field;  // "objects", "bytes", "MemFree"
  Unit unit = Unit::Count;
  std::optional<u32> boot;  // of a process: the index of the boot that it belongs to; its name means nothing in others
};

struct SampleTime {
  // On one axis: what passed since the boot, suspends included, plus when the boot was, by the wall clock as it was set at the
  // boot's last sample. So a clock that was set meanwhile, or that was wrong at the start, leaves no step. Ascending within a
  // boot.
  i64 time_ms = 0;
  Stamp stamp;            // what the clocks said
  u32 boot = 0;           // the index of its boot
  bool is_start = false;  // the first sample after orphan watch was started: time was missed before it
};

// Of one series, in the samples that have it. Values are in the series' unit.
struct Values {
  u32 id = 0;
  std::vector<u32> at = {};  // ascending indices of times()
  std::vector<i64> values = {};
};

class Samples {
 public:
  static Result<Samples> open(const std::string& path);

  // In the order in which they were sampled. Times of a later boot are behind those of an earlier one unless the clock was wrong.
  const std::vector<SampleTime>& times() const { return times_; }
  const std::vector<Origin>& boots() const { return boots_; }
  const std::vector<Series>& series() const { return series_; }

  // In the order of `ids`, which are all different; one that has no values is empty, as is one that does not exist.
  Result<std::vector<Values>> read(std::span<const u32> ids);
  // The same a part at a time, of the samples [first, end) of times(): for who need not have all values at once. What is handed
  // out is the series' index in `ids` and some values of it, later ones than those before.
  using TakePart = std::function<void(std::size_t, const Values&)>;
  Result<void> read_parts(std::span<const u32> ids, u32 first, u32 end, const TakePart& take);

 private:
  explicit Samples(Database database) : database_(std::move(database)) {}
  Result<void> load();
  Result<void> load_boots();
  Result<void> load_series();
  Result<void> load_times();
  Result<void> load_starts();
  u32 index_of_boot(i64 id) const;
  Result<i64> scale_of(u32 id) const;

  struct Place {
    i64 segment = 0;
    u32 first = 0, samples = 0;  // indices of times()
  };

  Database database_;
  std::vector<i64> boot_ids_;  // as the file has them
  std::vector<Origin> boots_;
  std::vector<Series> series_;
  std::vector<i64> scales_;  // of those
  std::vector<SampleTime> times_;
  std::vector<Place> places_;
};

}  // namespace orphan::watch
