// SPDX-License-Identifier: Apache-2.0
// Prepares a series for the trend's mathematics: single samples that stick out are taken in, and samples are put on an even grid
// of bounded length, so that the work for a series of a year is that for one of a day.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace orphan::watch {

inline constexpr std::size_t kGridPoints = 256;

struct Grid {
  double step_h = 0;              // between neighbours
  std::vector<double> time_h;     // since the first sample: the mean of those in the bin
  std::vector<double> values;     // their mean
  std::vector<double> widths_h;   // what the samples of the bin stand for
  std::vector<std::size_t> gaps;  // in steps, to the point before; 1 unless bins between had no sample. Of the first: 0

  std::size_t size() const { return values.size(); }
};

// `time_h` ascends. Bins are as wide as samples are apart, or wider where there were more than `most` of them.
Grid make_grid(std::span<const double> time_h, std::span<const double> values, std::size_t most = kGridPoints);

// Hampel's filter: a value that is far from the median of its seven neighbours becomes that median. What rises, falls, or steps
// passes unchanged.
std::vector<double> without_spikes(std::span<const double> values);

// The value below which `share` of the values are. `values` are reordered; not empty.
double quantile(std::span<double> values, double share);

// The standard deviation of normal noise that has the same median of absolute values; `values` are reordered.
double robust_deviation(std::vector<double>& values);

}  // namespace orphan::watch
