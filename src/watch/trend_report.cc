// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_report.h"

#include <algorithm>
#include <array>
#include <limits>

namespace orphan::watch {
namespace {

constexpr double kHoursADay = 24;
constexpr std::size_t kPartsOfPart = 5;

constexpr std::array<std::string_view, 3> kFreeMemory{"MemAvailable", "MemFree", "LowFree"};
constexpr std::array<std::string_view, 8> kUsedMemory{"SUnreclaim",    "VmallocUsed", "Percpu",    "PageTables",
                                                      "SecPageTables", "KernelStack", "AnonPages", "Shmem"};
// Only for the sums.
constexpr std::array<std::string_view, 4> kOtherMemory{"MemTotal", "SReclaimable", "Cached", "Hugetlb"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

int rank(const TrendRow& row) {
  switch (row.trend.verdict) {
    case Verdict::Growing:
      if (!row.is_leak()) return 3;
      return row.is_free_memory ? 0 : row.series.unit == Unit::Bytes ? 1 : 2;
    case Verdict::Sawtooth: return 4;
    case Verdict::Step: return 5;
    case Verdict::Flat: return 6;
    case Verdict::TooShort: return 7;
  }
  bug("no such verdict");
}

Exhaustion exhaustion(double free_bytes, const Trend& trend) {
  auto hours = [&](double rate) { return rate > 0 ? free_bytes / rate : std::numeric_limits<double>::infinity(); };
  return {.soonest_h = hours(trend.rate_high), .likely_h = hours(trend.rate), .latest_h = hours(trend.rate_low)};
}

double last_of(std::span<const TrendInput> inputs, std::string_view line) {
  for (const TrendInput& input : inputs) {
    if (input.series.kind == Kind::Memory && input.series.field == line && !input.values.empty()) return input.values.back();
  }
  return 0;
}

bool is_free_memory(const Series& series) {
  return series.kind == Kind::Memory && is_one_of(kFreeMemory, series.field);
}

TrendRow judge(const TrendReport& report, std::span<const double> time_h, const TrendInput& input) {
  std::vector<double> times, values = input.values;
  for (u32 index : input.at) times.push_back(time_h[index]);
  for (double& value : values) value *= growth_sign(input.series);
  TrendOptions options{.threshold = report.choice.threshold};
  if (input.series.unit == Unit::Bytes) options.min_rate = report.choice.min_bytes_a_day / kHoursADay;
  return row_of(input.series, find_trend(times, values, options),
                is_free_memory(input.series) ? -values.back() : report.free_bytes);
}

}  // namespace

double growth_sign(const Series& series) {
  return is_free_memory(series) ? -1 : 1;
}

TrendRow row_of(const Series& series, const Trend& trend, double free_bytes) {
  TrendRow row{.series = series,
               .trend = trend,
               .is_free_memory = is_free_memory(series),
               .is_reclaimable = is_reclaimable(series),
               .exhaustion = {}};
  bool grows = trend.verdict == Verdict::Growing && series.unit == Unit::Bytes && !row.is_reclaimable;
  if (grows && free_bytes > 0) row.exhaustion = exhaustion(free_bytes, trend);
  return row;
}

bool is_judged(const Series& series) {
  switch (series.kind) {
    case Kind::Memory: return is_one_of(kFreeMemory, series.field) || is_one_of(kUsedMemory, series.field);
    case Kind::Slab:
    case Kind::Vmalloc:
    case Kind::Site: return series.field == "bytes";
    case Kind::Process:
      return series.field == "rss" || series.field == "swap" || series.field == "threads" || series.field == "files";
    case Kind::Cgroup: return series.field == "anon" || series.field == "kernel";
    case Kind::Kmemleak: return series.field == "records";
    case Kind::Processes: return series.field == "processes";
    case Kind::Buddy:
    case Kind::Pressure: return false;
  }
  bug("no such kind");
}

bool is_needed(const Series& series) {
  return is_judged(series) || (series.kind == Kind::Memory && is_one_of(kOtherMemory, series.field));
}

bool TrendRow::is_leak() const {
  // The page cache takes what is free, and gives it back: that MemFree falls is no leak. MemAvailable says what is.
  bool is_cache = is_reclaimable || (is_free_memory && series.field != "MemAvailable");
  return trend.verdict == Verdict::Growing && !is_cache;
}

void judge_all(TrendReport& report, std::span<const double> time_h, std::span<const TrendInput> inputs) {
  report.total_bytes = last_of(inputs, "MemTotal");
  report.free_bytes = last_of(inputs, "MemAvailable");
  if (report.free_bytes <= 0) report.free_bytes = last_of(inputs, "MemFree");
  for (const TrendInput& input : inputs) {
    if (is_judged(input.series) && !input.values.empty()) report.rows.push_back(judge(report, time_h, input));
  }
  std::ranges::stable_sort(report.rows, [](const TrendRow& a, const TrendRow& b) {
    return rank(a) != rank(b) ? rank(a) < rank(b) : a.trend.rate > b.trend.rate;
  });
  report.fall = explain_fall(time_h, inputs, kPartsOfPart);
}

bool has_leak(const TrendReport& report) {
  return std::ranges::any_of(report.rows, &TrendRow::is_leak);
}

bool has_verdict(const TrendReport& report) {
  return std::ranges::any_of(report.rows, [](const TrendRow& row) { return row.trend.verdict != Verdict::TooShort; });
}

}  // namespace orphan::watch
