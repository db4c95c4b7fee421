// SPDX-License-Identifier: Apache-2.0
// Which series leak, told while samples are taken: once when it begins, and once when it is over. Samples are fed as they come,
// those of an earlier run before the first.
#pragma once
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "watch/samples.h"
#include "watch/trend_report.h"
#include "watch/trend_watch.h"

namespace orphan::watch {

class LiveTrends {
 public:
  // Some things are not in every sample: the file of a kmemleak that is scanning cannot be read. What more samples in a row do
  // not have is not there any more.
  static constexpr u32 kMostMissed = 3;

  enum class Event : u8 {
    Grows,     // it leaks
    Stopped,   // it did, and does not any more
    Vanished,  // it did, and is not there any more
  };
  struct Change {
    Event event = Event::Grows;
    TrendRow row;  // of what vanished, as it was last
  };

  explicit LiveTrends(const TrendChoice& choice);

  // Before the first add(): values of this boot that an earlier run has sampled, later ones than those that were recalled before.
  // They count as soon as look() was called; a verdict takes two looks, apart from each other.
  void recall(const Series& series, const std::vector<SampleTime>& times, const Values& values);
  void look();

  // Of a sample, until end(); of two readings of the same series the first counts.
  void add(const Reading& reading);
  // The sample is complete. What has changed with it, by the order in which series were first seen.
  std::vector<Change> end(i64 boot_ms);

  // What leaks, as it was when that was last looked at.
  const std::map<u64, TrendRow>& leaks() const { return leaks_; }

 private:
  struct Known {
    Series series;
    double value = 0;
    u64 sample = 0;  // the last that has it
  };
  // Nothing: such series are not judged.
  std::optional<u64> id_of(Kind kind, std::string_view name, std::string_view field, Unit unit);
  TrendWatch& watch_of(const Series& series) { return series.unit == Unit::Bytes ? bytes_ : counts_; }
  void forget_vanished(std::vector<Change>& changes);
  void take_changes(TrendWatch& watch, std::vector<Change>& changes);

  TrendWatch bytes_, counts_;
  std::unordered_map<std::string, u64> ids_;
  std::map<u64, Known> known_;
  std::map<u64, TrendRow> leaks_;
  double free_bytes_ = 0;
  u64 next_id_ = 0, sample_ = 1;
};

// "slab dentry grows by 12.3 MiB/h (11.9 MiB to 12.8 MiB)": one line, without its end.
std::string to_line(const LiveTrends::Change& change);
// One object, docs/watch.md has its fields.
std::string to_json(const LiveTrends::Change& change, const std::string& host, i64 wall_ms);

}  // namespace orphan::watch
