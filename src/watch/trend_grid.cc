// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_grid.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/verify.h"

namespace orphan::watch {
namespace {

constexpr std::size_t kReach = 3;     // neighbours on each side
constexpr double kFarDeviations = 6;  // of what neighbours differ from each other
constexpr double kNormalMad = 1.4826;

double median_gap(std::span<const double> time_h) {
  std::vector<double> gaps;
  for (std::size_t i = 1; i < time_h.size(); ++i) gaps.push_back(time_h[i] - time_h[i - 1]);
  return quantile(gaps, 0.5);
}

}  // namespace

double quantile(std::span<double> values, double share) {
  VERIFY(!values.empty());
  auto place = static_cast<std::size_t>(std::lround(share * static_cast<double>(values.size() - 1)));
  auto nth = values.begin() + static_cast<std::ptrdiff_t>(place);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

double robust_deviation(std::vector<double>& values) {
  if (values.empty()) return 0;
  for (double& value : values) value = std::abs(value);
  return kNormalMad * quantile(values, 0.5);
}

std::vector<double> without_spikes(std::span<const double> values) {
  std::vector<double> result(values.begin(), values.end());
  constexpr std::size_t kWindow = 2 * kReach + 1;
  if (values.size() < kWindow) return result;
  std::vector<double> deviations, medians, steps(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::size_t begin = std::clamp(i, kReach, values.size() - kReach - 1) - kReach;
    std::array<double, kWindow> window{};
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(begin), kWindow, window.begin());
    medians.push_back(quantile(window, 0.5));
    deviations.push_back(values[i] - medians[i]);
    for (std::size_t k = 0; k + 1 < kWindow; ++k) window[k] = std::abs(values[begin + k + 1] - values[begin + k]);
    steps[i] = quantile(std::span(window).first(kWindow - 1), 0.5);
  }
  double limit = kFarDeviations * robust_deviation(deviations);
  // At the ends the window is not around the value, and what rises is away from its median, by twice of what it has in the middle
  // of the window if it rises ever slower.
  for (std::size_t i = 0; i < values.size(); ++i) {
    bool is_end = i < kReach || i + kReach >= values.size();
    double allowed = is_end ? limit + 2 * static_cast<double>(kReach) * steps[i] : limit;
    if (std::abs(values[i] - medians[i]) > allowed) result[i] = medians[i];
  }
  return result;
}

Grid make_grid(std::span<const double> time_h, std::span<const double> values, std::size_t most) {
  VERIFY(time_h.size() == values.size());
  Grid grid;
  if (time_h.size() < 2 || time_h.back() <= time_h.front()) return grid;
  std::vector<double> plain = without_spikes(values);
  double span_h = time_h.back() - time_h.front();
  // Samples that came late or early by less than half a step are still one a bin.
  double apart_h = median_gap(time_h);
  grid.step_h = std::max(apart_h, span_h / static_cast<double>(most - 1));
  std::vector<double> counts;
  std::size_t last = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    double since_h = time_h[i] - time_h.front();
    auto bin = static_cast<std::size_t>(std::lround(since_h / grid.step_h));
    if (counts.empty() || bin != last) {
      grid.gaps.push_back(counts.empty() ? 0 : bin - last);
      grid.time_h.push_back(0);
      grid.values.push_back(0);
      counts.push_back(0);
      last = bin;
    }
    grid.time_h.back() += since_h;
    grid.values.back() += plain[i];
    counts.back() += 1;
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    grid.time_h[i] /= counts[i];
    grid.values[i] /= counts[i];
    grid.widths_h.push_back(counts[i] * apart_h);
  }
  return grid;
}

}  // namespace orphan::watch
