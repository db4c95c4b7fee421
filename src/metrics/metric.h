// SPDX-License-Identifier: Apache-2.0
// Figures with names and texts, for any exporter to print.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orphan::metrics {

struct MetricSample {
  std::string label;  // empty: the metric has none
  double value = 0;
};

struct Metric {
  std::string_view name;
  std::string_view help;
  bool is_counter = false;           // or else a gauge
  std::string_view label_name = {};  // empty: one sample without
  std::vector<MetricSample> samples = {};
};

// Printable ASCII: what is not is a '?', since names can be anything, and one byte that is no UTF-8 would cost the reader all of
// a scrape.
std::string label_text(std::string_view text);

// At most `most`, the largest first; what is left is the last, "other", as a sum, unless nothing is. Each label is a time series
// in somebody's database for as long as that keeps it; so there are few.
std::vector<MetricSample> largest(std::span<const MetricSample> samples, std::size_t most);

}  // namespace orphan::metrics
