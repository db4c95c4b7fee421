// SPDX-License-Identifier: Apache-2.0
// What is drawn, on whatever: lines over time in panels, and their scales. Pure: no files, no clock.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "watch/trend_samples.h"

namespace orphan::plot {

struct Line {
  std::string name;
  std::size_t row = 0;         // of the report
  std::vector<double> values;  // one a time; what is not a number is not there
};

struct Panel {
  std::string title;
  watch::Unit unit = watch::Unit::Bytes;
  std::vector<Line> lines;
};

struct Chart {
  std::vector<double> time_s;  // since 1970, ascending. Where time was missed there is one more, at which nothing has a value
  std::vector<Panel> panels;
};

struct ChartChoice {
  u64 top = 8;                     // series of what grows
  std::vector<std::string> names;  // of series, or parts of names: these, in one panel for each unit; empty: what matters
};

// Free memory and what is not reclaimable; what leaks, or where nothing does, what is the largest. NotFound: a name that no
// series has.
Result<Chart> make_chart(const watch::TrendSamples& samples, const watch::TrendReport& report, const ChartChoice& choice);

// Of which machine and time it is.
std::string title_of(const watch::TrendReport& report);

// At most about so many times, at which the lowest and the highest value of each line are still there.
Chart thinned(const Chart& chart, std::size_t most_times);

// A scale of values. Numbers are printed in `unit`.
struct Scale {
  double low = 0, high = 1;   // on ticks
  std::vector<double> ticks;  // ascending, from low to high
  double unit = 1;
  std::string_view unit_name;  // "GiB"; empty for counts
  int decimals = 0;
  std::string label(double value) const;
};
Scale scale_of(const Panel& panel, std::size_t most_ticks);

struct TimeTick {
  double time_s = 0;
  std::string label;  // UTC
};
std::vector<TimeTick> time_ticks(double first_s, double last_s, std::size_t most_ticks);

// Of the lines of all panels, in order; then they begin anew.
inline constexpr std::size_t kColours = 8;

}  // namespace orphan::plot
