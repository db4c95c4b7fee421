// SPDX-License-Identifier: Apache-2.0
// What grows on a machine: the trends of all its series, what takes the memory that becomes less, and when there will be none
// left. A plain structure that both formats print.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "watch/trend.h"
#include "watch/trend_causes.h"

namespace orphan::watch {

struct TrendChoice {
  double threshold = TrendOptions{}.threshold;
  double min_bytes_a_day = 0;  // of series in bytes
};

// Hours from the last sample on, at the rate of now and at the ends of its interval; none at all at the slow end: infinity.
struct Exhaustion {
  double soonest_h = 0, likely_h = 0, latest_h = 0;
};

struct TrendRow {
  Series series;
  Trend trend;  // of free memory: of what is taken of it
  bool is_free_memory = false;
  bool is_reclaimable = false;  // caches of files and their names: the kernel takes them back when it needs memory
  std::optional<Exhaustion> exhaustion;
  bool is_leak() const;
};

// 1, or -1 for what shrinks when it is used up: times its values, growth is upwards.
double growth_sign(const Series& series);
// `trend`: of the values times the sign. `free_bytes`: what there is left to be taken; 0: not known.
TrendRow row_of(const Series& series, const Trend& trend, double free_bytes);

struct TrendReport {
  std::string host, release, boot_id, version;
  i64 from_ms = 0, to_ms = 0;  // wall clock
  u64 samples = 0;
  u64 other_boots = 0;  // that the file has samples of, and that were not looked at
  TrendChoice choice;
  std::vector<TrendRow> rows;  // what grows first, the fastest first; then sawteeth, steps, and the rest
  Fall fall;
  double free_bytes = 0, total_bytes = 0;  // MemAvailable, or MemFree, and MemTotal, in the last sample; 0: not known
};

// Whether trends of such a series are looked for; others are no sign of a leak: the page cache grows until it is told to stop.
bool is_judged(const Series& series);
// Whether `inputs` have to have it: what is judged, and what explains the fall.
bool is_needed(const Series& series);

// Fills rows, fall and the figures of memory. `time_h`: of the samples of one boot.
void judge_all(TrendReport& report, std::span<const double> time_h, std::span<const TrendInput> inputs);

bool has_leak(const TrendReport& report);
// Whether there was one series that could be judged.
bool has_verdict(const TrendReport& report);

// "slab dentry".
std::string name_of(const Series& series);
// "1.20 MiB/h", and its interval, "1.10 MiB to 1.30 MiB".
std::string rate_text(const TrendRow& row);
std::string interval_text(const TrendRow& row);
// "daily cycle taken out": what else is to be known; may be empty.
std::string remark(const TrendRow& row);
std::string duration_text(double hours);

// A table first, what it means after it. `top`: so many rows of what grows.
std::string to_text(const TrendReport& report, u64 top);
// Only what it means.
std::string to_words(const TrendReport& report);
std::string to_json(const TrendReport& report);

}  // namespace orphan::watch
