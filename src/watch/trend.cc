// SPDX-License-Identifier: Apache-2.0
#include "watch/trend.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/verify.h"
#include "watch/trend_grid.h"
#include "watch/trend_model.h"
#include "watch/trend_teeth.h"

namespace orphan::watch {
namespace {

constexpr std::array<std::string_view, 5> kVerdictWords{"growing", "flat", "sawtooth", "step", "not enough data"};
constexpr double kDay = 24;
constexpr double kInterval = 1.96;
// The median of slopes is less precise than least squares by up to so much: where noise wanders.
constexpr double kMedianLoss = 1.1;
constexpr double kWarmUpOver = 4;  // times the time in which it falls to 1/e: 2 % are left

// A value of Student's t as the value of a normal distribution with about the same probability.
double as_normal(double t, double freedom) {
  if (freedom <= 1) return 0;
  double root = std::sqrt(freedom * std::log1p(t * t / freedom)) * (1 - 0.75 / (freedom + 0.75) * 0.5);
  return std::copysign(root, t);
}

// Noise that wanders is the harder to tell from growth the longer its memory is, and the memory is not known well. And a step or
// the end of a warm-up looks like a line.
double caution(const TrendFit& fit) {
  constexpr double kWanders = 0.8, kMost = 0.4, kStep = 1.4, kWarmUp = 1.15;
  double wanders = 1 + kMost * std::clamp((fit.memory - kWanders) / (1 - kWanders), 0.0, 1.0);
  return wanders * (fit.may_be_step ? kStep : 1) * (fit.has(TrendPart::Kind::WarmUp) ? kWarmUp : 1);
}

struct Pairs {
  double slope = 0;  // Theil and Sen: the median of the slopes of all pairs
  double kendall = 0;
};

Pairs look_at_pairs(std::span<const double> time_h, std::span<const double> values) {
  std::vector<double> slopes;
  slopes.reserve(values.size() * values.size() / 2);
  double balance = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = i + 1; j < values.size(); ++j) {
      double rise = values[j] - values[i];
      slopes.push_back(rise / (time_h[j] - time_h[i]));
      balance += rise > 0 ? 1 : rise < 0 ? -1 : 0;
    }
  }
  if (slopes.empty()) return {};
  auto count = static_cast<double>(slopes.size());
  return {.slope = quantile(slopes, 0.5), .kendall = balance / count};
}

double r2_of(std::span<const double> time_h, std::span<const double> values) {
  double slope = plain_slope(time_h, values);
  auto count = static_cast<double>(values.size());
  double t_mean = 0, y_mean = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    t_mean += time_h[i] / count;
    y_mean += values[i] / count;
  }
  double all = 0, rest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    double y = values[i] - y_mean, left = y - slope * (time_h[i] - t_mean);
    all += y * y;
    rest += left * left;
  }
  return all > 0 ? std::max(0.0, 1 - rest / all) : 0;
}

void describe_parts(Trend& trend, const TrendFit& fit) {
  std::size_t place = 0;
  double largest = 0;
  for (const TrendPart& part : fit.parts) {
    double factor = fit.factors[place];
    switch (part.kind) {
      case TrendPart::Kind::Level:
      case TrendPart::Kind::Line: break;
      case TrendPart::Kind::Bend: trend.since_h = std::max(trend.since_h, part.at); break;
      case TrendPart::Kind::WarmUp:
        trend.warm_up_h = kWarmUpOver * part.at;
        ++place;
        break;
      case TrendPart::Kind::Step:
        trend.step += factor;
        if (std::abs(factor) > largest) {
          largest = std::abs(factor);
          trend.step_h = part.at;
        }
        break;
      case TrendPart::Kind::Cycle:
        trend.has_daily_cycle = true;
        ++place;
        break;
    }
    ++place;
  }
}

// The slope of the line at its end, where nothing else of the model matters.
void measure(Trend& trend, const Grid& grid, const TrendFit& fit) {
  const std::vector<double> straight = straightened(grid, fit);
  auto begin = static_cast<std::size_t>(std::ranges::lower_bound(grid.time_h, trend.since_h) - grid.time_h.begin());
  std::span<const double> time_h = std::span(grid.time_h).subspan(begin);
  std::span<const double> values = std::span(straight).subspan(begin);
  Pairs pairs = look_at_pairs(time_h, values);
  trend.kendall = pairs.kendall;
  trend.r2 = r2_of(time_h, values);
  trend.rate = fit.slope;
  double reach = kInterval * kMedianLoss * fit.slope_error;
  // The two estimates differ by more than they should where a few points make the slope: then it is not sure.
  if (std::abs(pairs.slope - fit.slope) <= reach) trend.rate = pairs.slope;
  trend.rate_low = trend.rate - reach;
  trend.rate_high = trend.rate + reach;
}

Verdict judge(const Trend& trend, const TrendFit& fit, const TrendOptions& options) {
  bool grows = trend.score >= options.threshold && trend.rate > 0 && trend.rate >= options.min_rate;
  if (grows) return Verdict::Growing;
  if (trend.is_warming_up) return Verdict::TooShort;
  return fit.has(TrendPart::Kind::Step) ? Verdict::Step : Verdict::Flat;
}

}  // namespace

std::string_view word(Verdict verdict) {
  return kVerdictWords[static_cast<std::size_t>(verdict)];
}

double plain_slope(std::span<const double> time_h, std::span<const double> values) {
  VERIFY(time_h.size() == values.size());
  auto count = static_cast<double>(values.size());
  double t_mean = 0, product = 0, square = 0;
  for (double t : time_h) t_mean += t / count;
  for (std::size_t i = 0; i < values.size(); ++i) {
    double t = time_h[i] - t_mean;
    product += t * (values[i] - values[0]);
    square += t * t;
  }
  return square > 0 ? product / square : 0;
}

Trend find_trend(std::span<const double> time_h, std::span<const double> values, const TrendOptions& options) {
  Trend trend;
  if (values.empty()) return trend;
  trend.span_h = time_h.back() - time_h.front();
  trend.first = values.front();
  trend.last = values.back();
  const Grid grid = make_grid(time_h, values);
  if (grid.size() < kFewestPoints) return trend;
  auto [low, high] = std::ranges::minmax(grid.values);
  trend.verdict = Verdict::Flat;
  if (low == high) return trend;
  if (auto teeth = find_teeth(grid)) {
    trend.verdict = Verdict::Sawtooth;
    trend.drops = teeth->drops;
    trend.rate = teeth->rate;
    trend.rate_low = teeth->rate - kInterval * teeth->rate_error;
    trend.rate_high = teeth->rate + kInterval * teeth->rate_error;
    return trend;
  }
  const TrendFit fit = fit_trend(grid);
  describe_parts(trend, fit);
  measure(trend, grid, fit);
  trend.memory = fit.memory;
  trend.noise = fit.noise;
  double t = fit.slope_error > 0 ? fit.slope / fit.slope_error : 0;
  trend.score = as_normal(t, fit.degrees_of_freedom()) / caution(fit);
  trend.is_warming_up = trend.warm_up_h > trend.span_h;
  trend.verdict = judge(trend, fit, options);
  trend.may_be_cycle = trend.verdict == Verdict::Growing && trend.span_h < 2 * kDay;
  trend.first = value_at(fit, 0);
  trend.last = value_at(fit, grid.time_h.back());
  return trend;
}

}  // namespace orphan::watch
