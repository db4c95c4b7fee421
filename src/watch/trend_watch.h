// SPDX-License-Identifier: Apache-2.0
// Trends of series that are still being sampled: each is fed value by value, looked at now and then, and what has changed is told
// once. Memory is bounded: when a series has too many values, neighbours become one.
#pragma once
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "watch/trend.h"

namespace orphan::watch {

class TrendWatch {
 public:
  struct Change {
    u64 id = 0;
    Verdict before = Verdict::TooShort;
    Trend trend;  // with the verdict that it has now
  };

  explicit TrendWatch(const TrendOptions& options) : options_(options) {}

  // A value of a series, later than the one before; others are left out. Ids are the caller's.
  void add(u64 id, double time_h, double value);
  // The series was not in the last samples, or a boot has ended: what comes next under this id is another one.
  void forget(u64 id) { watched_.erase(id); }

  // What has another verdict than was told, by id. It has to be the same in two looks, and a leak stays one until its slope is
  // less than half as sure as an alarm takes: so a series at the threshold is not told of again and again.
  std::vector<Change> take_changes();

 private:
  struct Watched {
    // Less the first ones, so that half as many bits are enough: there may be a thousand series.
    std::vector<float> time_h, values;
    double first_h = 0, last_h = 0, first = 0;
    std::size_t added = 0, merged = 1;  // in all; that make one value
    double sum_h = 0, sum = 0;
    std::size_t in_sum = 0;
    std::size_t next_look = 24;  // when so many were added
    Verdict told = Verdict::TooShort, last = Verdict::TooShort;
  };

  Trend look(const Watched& watched) const;
  static void halve(Watched& watched);

  TrendOptions options_;
  std::unordered_map<u64, Watched> watched_;
};

}  // namespace orphan::watch
