// SPDX-License-Identifier: Apache-2.0
#include "plot/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <limits>
#include <utility>

#include "report/format.h"

namespace orphan::plot {
namespace {

using watch::Kind;
using watch::TrendRow;
using watch::Unit;

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
// So many usual distances without a sample are a gap.
constexpr double kGap = 2.5;
// Where nothing leaks.
constexpr u64 kLargest = 3;

std::vector<double> seconds_of(const watch::TrendSamples& samples) {
  std::vector<double> seconds;
  for (const watch::SampleTime& time : samples.times) seconds.push_back(static_cast<double>(time.time_ms) / 1000);
  return seconds;
}

// Between samples around one: the interval may have been another one day, and what is old may be sparse.
double usual_distance(const std::vector<double>& seconds, std::size_t at) {
  constexpr std::size_t kAround = 4;
  std::vector<double> distances;
  for (std::size_t i = at - std::min(at - 1, kAround); i <= std::min(at + kAround, seconds.size() - 1); ++i) {
    if (i != at) distances.push_back(seconds[i] - seconds[i - 1]);
  }
  if (distances.empty()) return seconds[at] - seconds[at - 1];
  auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::ranges::nth_element(distances, middle);
  return *middle;
}

// Where each sample is among the chart's times, of which there is one more in each gap.
struct Axis {
  std::vector<double> time_s;
  std::vector<std::size_t> place;
};

Axis axis_of(const watch::TrendSamples& samples) {
  std::vector<double> seconds = seconds_of(samples);
  Axis axis;
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    if (i > 0 && seconds[i] - seconds[i - 1] > kGap * usual_distance(seconds, i))
      axis.time_s.push_back((seconds[i] + seconds[i - 1]) / 2);
    axis.place.push_back(axis.time_s.size());
    axis.time_s.push_back(seconds[i]);
  }
  return axis;
}

class Maker {
 public:
  Maker(const watch::TrendSamples& samples, const watch::TrendReport& report)
      : samples_(samples), report_(report), axis_(axis_of(samples)) {}

  void add(Panel& panel, std::size_t row) const {
    const watch::Series& series = report_.rows[row].series;
    auto input = std::ranges::find(samples_.inputs, series.id, [](const watch::TrendInput& one) { return one.series.id; });
    VERIFY(input != samples_.inputs.end());
    Line line{.name = name_of(series), .row = row, .values = std::vector<double>(axis_.time_s.size(), kNothing)};
    for (std::size_t i = 0; i < input->at.size(); ++i) line.values[axis_.place[input->at[i]]] = input->values[i];
    panel.lines.push_back(std::move(line));
  }
  // Those of the rows that are as wanted, at most so many, in one panel a unit.
  template <typename Wanted>
  void add_panels(std::vector<Panel>& panels, std::string_view title, u64 most, Wanted wanted) const {
    Panel bytes{.title = std::string(title), .unit = Unit::Bytes, .lines = {}};
    Panel counts{.title = fmt::format("{}, counted", title), .unit = Unit::Count, .lines = {}};
    for (std::size_t row = 0; row < report_.rows.size() && bytes.lines.size() + counts.lines.size() < most; ++row) {
      if (wanted(report_.rows[row])) add(report_.rows[row].series.unit == Unit::Bytes ? bytes : counts, row);
    }
    for (Panel* panel : {&bytes, &counts}) {
      if (!panel->lines.empty()) panels.push_back(std::move(*panel));
    }
  }
  Axis& axis() { return axis_; }

 private:
  const watch::TrendSamples& samples_;
  const watch::TrendReport& report_;
  Axis axis_;
};

bool is_memory(const TrendRow& row, std::string_view field) {
  return row.series.kind == Kind::Memory && row.series.field == field;
}

void add_memory(std::vector<Panel>& panels, const Maker& maker, const std::vector<TrendRow>& rows) {
  Panel panel{.title = "Memory", .unit = Unit::Bytes, .lines = {}};
  for (std::string_view field : {"MemAvailable", "MemFree", "LowFree", "SUnreclaim"}) {
    auto found = std::ranges::find_if(rows, [=](const TrendRow& row) { return is_memory(row, field); });
    if (found != rows.end()) maker.add(panel, static_cast<std::size_t>(found - rows.begin()));
  }
  if (!panel.lines.empty()) panels.push_back(std::move(panel));
}

void add_largest(std::vector<Panel>& panels, const Maker& maker, const std::vector<TrendRow>& rows) {
  std::vector<std::size_t> order;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (rows[row].series.kind != Kind::Memory && rows[row].series.unit == Unit::Bytes) order.push_back(row);
  }
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t row) { return rows[row].trend.last; });
  Panel panel{.title = "The largest; nothing leaks, as far as these samples can tell", .unit = Unit::Bytes, .lines = {}};
  for (std::size_t i = 0; i < std::min<std::size_t>(order.size(), kLargest); ++i) maker.add(panel, order[i]);
  if (!panel.lines.empty()) panels.push_back(std::move(panel));
}

bool has_name(const watch::Series& series, std::string_view name) {
  return name_of(series).find(name) != std::string::npos;
}

// The least of 1, 2 or 5 times a power of ten that is not below.
double nice_step(double least) {
  double power = std::pow(10, std::floor(std::log10(least)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::string time_label(double time_s, double step_s) {
  constexpr double kDay = 86'400;
  auto seconds = static_cast<std::time_t>(time_s);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  bool is_midnight = parts.tm_hour == 0 && parts.tm_min == 0 && parts.tm_sec == 0;
  if (step_s >= kDay || is_midnight) return fmt::format("{:02}-{:02}", parts.tm_mon + 1, parts.tm_mday);
  if (step_s >= 60) return fmt::format("{:02}:{:02}", parts.tm_hour, parts.tm_min);
  return fmt::format("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec);
}

// Times [begin, end) become two, at which each line has its extremes, in their order.
void add_bucket(Chart& to, const Chart& from, std::size_t begin, std::size_t end) {
  to.time_s.push_back(from.time_s[begin]);
  to.time_s.push_back(from.time_s[end - 1]);
  for (std::size_t p = 0; p < from.panels.size(); ++p) {
    for (std::size_t l = 0; l < from.panels[p].lines.size(); ++l) {
      const std::vector<double>& values = from.panels[p].lines[l].values;
      std::size_t low = end, high = end;
      for (std::size_t i = begin; i < end; ++i) {
        if (std::isnan(values[i])) continue;
        if (low == end || values[i] < values[low]) low = i;
        if (high == end || values[i] > values[high]) high = i;
      }
      std::vector<double>& out = to.panels[p].lines[l].values;
      out.push_back(low == end ? kNothing : values[std::min(low, high)]);
      out.push_back(low == end ? kNothing : values[std::max(low, high)]);
    }
  }
}

bool is_gap(const Chart& chart, std::size_t at) {
  return std::ranges::all_of(chart.panels, [=](const Panel& panel) {
    return std::ranges::all_of(panel.lines, [=](const Line& line) { return std::isnan(line.values[at]); });
  });
}

void add_time(Chart& to, const Chart& from, std::size_t at) {
  to.time_s.push_back(from.time_s[at]);
  for (std::size_t p = 0; p < from.panels.size(); ++p) {
    for (std::size_t l = 0; l < from.panels[p].lines.size(); ++l)
      to.panels[p].lines[l].values.push_back(from.panels[p].lines[l].values[at]);
  }
}

}  // namespace

Result<Chart> make_chart(const watch::TrendSamples& samples, const watch::TrendReport& report, const ChartChoice& choice) {
  Maker maker(samples, report);
  Chart chart;
  if (!choice.names.empty()) {
    for (const std::string& name : choice.names) {
      if (std::ranges::none_of(report.rows, [&](const TrendRow& row) { return has_name(row.series, name); }))
        return Error(
            ErrorCode::NotFound,
            fmt::format("--series: no series has '{}' in its name; orphan trend --format json lists them", printable(name)));
    }
    maker.add_panels(chart.panels, "Chosen", std::numeric_limits<u64>::max(), [&](const TrendRow& row) {
      return std::ranges::any_of(choice.names, [&](const std::string& name) { return has_name(row.series, name); });
    });
  } else {
    add_memory(chart.panels, maker, report.rows);
    auto leaks = [](const TrendRow& row) { return row.is_leak() && !row.is_free_memory && !is_memory(row, "SUnreclaim"); };
    if (std::ranges::any_of(report.rows, leaks)) {
      maker.add_panels(chart.panels, "What grows", choice.top, leaks);
    } else {
      add_largest(chart.panels, maker, report.rows);
    }
  }
  chart.time_s = std::move(maker.axis().time_s);
  return chart;
}

std::string title_of(const watch::TrendReport& report) {
  std::string host = report.host.empty() ? "Samples" : printable(report.host) + ",";
  return fmt::format("{} {} to {}", host, utc(report.from_ms / 1000), utc(report.to_ms / 1000));
}

Chart thinned(const Chart& chart, std::size_t most_times) {
  if (chart.time_s.size() <= most_times) return chart;
  std::size_t bucket = (2 * chart.time_s.size() + most_times - 1) / most_times;
  Chart result{.time_s = {}, .panels = chart.panels};
  for (Panel& panel : result.panels) {
    for (Line& line : panel.lines) line.values.clear();
  }
  for (std::size_t begin = 0; begin < chart.time_s.size();) {
    if (is_gap(chart, begin)) {
      add_time(result, chart, begin);
      while (begin < chart.time_s.size() && is_gap(chart, begin)) ++begin;
      continue;
    }
    std::size_t end = begin + 1;
    while (end < chart.time_s.size() && end - begin < bucket && !is_gap(chart, end)) ++end;
    if (end - begin == 1) {
      add_time(result, chart, begin);
    } else {
      add_bucket(result, chart, begin, end);
    }
    begin = end;
  }
  return result;
}

std::string Scale::label(double value) const {
  std::string number = fmt::format("{:.{}f}", value / unit, decimals);
  return unit_name.empty() ? number : fmt::format("{} {}", number, unit_name);
}

Scale scale_of(const Panel& panel, std::size_t most_ticks) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Line& line : panel.lines) {
    for (double value : line.values) {
      if (std::isnan(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) low = high = 0;
  // A line that is flat would have no scale; one that begins low is better seen from zero.
  if (low >= 0 && low < high / 2) low = 0;
  if (high - low < std::abs(high) * 1e-6 || high == low) high = low + std::max(1.0, std::abs(low) * 0.1);
  Scale scale;
  if (panel.unit == Unit::Bytes) {
    constexpr std::array<std::string_view, 6> kNames{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    std::size_t power = 0;
    while (power + 1 < kNames.size() && high >= 1024 * scale.unit) {
      scale.unit *= 1024;
      ++power;
    }
    scale.unit_name = kNames[power];
  }
  double step = nice_step((high - low) / static_cast<double>(std::max<std::size_t>(most_ticks, 2) - 1) / scale.unit);
  scale.decimals = step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  double first = std::floor(low / scale.unit / step + 1e-9), last = std::ceil(high / scale.unit / step - 1e-9);
  for (double at = first; at <= last; ++at) scale.ticks.push_back(at * step * scale.unit);
  scale.low = scale.ticks.front();
  scale.high = scale.ticks.back();
  return scale;
}

std::vector<TimeTick> time_ticks(double first_s, double last_s, std::size_t most_ticks) {
  constexpr std::array<double, 18> kSteps{1,   2,     5,     10,     15,     30,     60,     120,     300,
                                          900, 1'800, 3'600, 10'800, 21'600, 43'200, 86'400, 172'800, 604'800};
  double least = (last_s - first_s) / static_cast<double>(std::max<std::size_t>(most_ticks, 1));
  double step = kSteps.back();
  for (double one : kSteps) {
    if (one >= least) {
      step = one;
      break;
    }
  }
  while (step < least) step *= 2;
  std::vector<TimeTick> ticks;
  for (double at = std::ceil(first_s / step) * step; at <= last_s; at += step) ticks.push_back({at, time_label(at, step)});
  return ticks;
}

}  // namespace orphan::plot
