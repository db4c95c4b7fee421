// SPDX-License-Identifier: Apache-2.0
#include "metrics/metric.h"

#include <algorithm>
#include <map>

namespace orphan::metrics {

std::string label_text(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c < ' ' || c > '~') c = '?';
  }
  return result;
}

std::vector<MetricSample> largest(std::span<const MetricSample> samples, std::size_t most) {
  constexpr std::string_view kOther = "other";
  std::map<std::string, double> by_label;
  MetricSample other{.label = std::string(kOther)};
  bool has_other = false;
  auto add_other = [&](double value) {
    other.value += value;
    has_other = true;
  };
  for (const MetricSample& sample : samples) {
    std::string label = label_text(sample.label);
    // Something that has this name itself can only be counted with the rest.
    if (label == kOther) {
      add_other(sample.value);
    } else {
      by_label[label] += sample.value;
    }
  }
  std::vector<MetricSample> result;
  for (const auto& [label, value] : by_label) result.push_back({label, value});
  std::ranges::stable_sort(result, [](const MetricSample& a, const MetricSample& b) { return a.value > b.value; });
  for (std::size_t i = most; i < result.size(); ++i) add_other(result[i].value);
  result.resize(std::min(result.size(), most));
  if (has_other) result.push_back(std::move(other));
  return result;
}

}  // namespace orphan::metrics
