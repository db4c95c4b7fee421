// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/verify.h"
#include "watch/trend_squares.h"

namespace orphan::watch {
namespace {

using Kind = TrendPart::Kind;

constexpr std::array kMemories{0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.97, 1.0};
// Twice the gain in likelihood for which a part is taken. Some forty places are tried, and something fits somewhere by chance.
// A warm-up early in the series is believed on less: it costs the slope little, and without it each one would be a leak.
constexpr double kLeastGain = 25, kLeastGainOfBend = 20, kLeastGainOfWarmUp = 9;
constexpr double kLastBend = 0.8, kEarly = 0.2;  // of the span
constexpr std::size_t kMostParts = 8;
constexpr std::size_t kStepsTried = 6, kPlacesOfStep = 32;
constexpr std::array kBendsTried{0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75};                         // of the span
constexpr std::array kWarmUpsTried{0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.6};  // of the span
constexpr double kDay = 24, kFewestDays = 1.9;
constexpr double kMostHarmonics = 3;
constexpr int kRounds = 5;

std::size_t width(const TrendPart& part) {
  return part.kind == Kind::Cycle || part.kind == Kind::WarmUp ? 2 : 1;
}

// A point of the grid is the mean of a bin, and a step may be in its midst.
struct Place {
  double time_h = 0, width_h = 0;
};

// What a part is worth there, before its factor.
double column_at(const TrendPart& part, std::size_t column, const Place& place, const TrendAxis& axis) {
  double time_h = place.time_h;
  switch (part.kind) {
    case Kind::Level: return 1;
    case Kind::Line: return time_h / axis.span_h;
    case Kind::Bend: return std::max(0.0, time_h - part.at) / axis.span_h;
    // The second column is the first one's derivative by its length: so the length is an estimate, too, with an error of its own,
    // and the shape need not be exact.
    case Kind::WarmUp: return std::exp(-time_h / part.at) * (column == 0 ? 1 : time_h / part.at);
    case Kind::Step: return std::clamp((time_h - part.at) / place.width_h + 0.5, 0.0, 1.0);
    case Kind::Cycle: {
      double angle = 2 * std::numbers::pi * part.at * time_h / kDay;
      return column == 0 ? std::sin(angle) : std::cos(angle);
    }
  }
  bug("no such part");
}

class Fitter {
 public:
  explicit Fitter(const Grid& grid) : grid_(grid), axis_{grid.time_h.back(), grid.step_h} {
    auto [low, high] = std::ranges::minmax(grid.values);
    scale_ = high > low ? high - low : 1;
    origin_ = low;
    for (double value : grid.values) values_.push_back((value - origin_) / scale_);
  }

  TrendFit run() {
    choose();
    prune();
    return finish();
  }

 private:
  std::vector<TrendColumn> columns(const TrendPart& part) const {
    std::vector<TrendColumn> result(width(part));
    for (std::size_t c = 0; c < result.size(); ++c) {
      for (std::size_t i = 0; i < grid_.size(); ++i)
        result[c].push_back(column_at(part, c, {grid_.time_h[i], grid_.widths_h[i]}, axis_));
    }
    return result;
  }

  Squares squares(const std::vector<TrendPart>& parts, const Whitener& whitener) const {
    Squares result(whitener(values_));
    for (const TrendPart& part : parts) {
      for (const TrendColumn& column : columns(part)) result.add(whitener(column));
    }
    return result;
  }

  // Twice the logarithm of the likelihood, up to a constant, given the first point.
  static double likelihood(const Squares& squares, const Whitener& whitener) { return likelihood(squares.rest(), whitener); }
  static double likelihood(double rest, const Whitener& whitener) {
    auto points = static_cast<double>(whitener.points());
    return -points * std::log(std::max(rest, kLeastRest) / points) - whitener.log_variances();
  }

  double best_likelihood(const std::vector<TrendPart>& parts) const {
    double best = -std::numeric_limits<double>::infinity();
    for (double memory : kMemories) {
      Whitener whitener(grid_.gaps, memory, Whitener::First::Left);
      best = std::max(best, likelihood(squares(parts, whitener), whitener));
    }
    return best;
  }

  // Where neighbouring stretches of what the fit leaves over differ most.
  std::vector<TrendPart> steps_to_try() const {
    Whitener whitener(grid_.gaps, 0, Whitener::First::Kept);
    const TrendColumn rest = squares(parts_, whitener).residuals();
    std::size_t reach = std::clamp<std::size_t>(rest.size() / 8, 2, 8);
    std::vector<double> sums{0};
    for (double value : rest) sums.push_back(sums.back() + value);
    std::vector<double> contrasts(rest.size());
    for (std::size_t i = 2; i + 2 < rest.size(); ++i) {
      std::size_t before = std::min(reach, i), after = std::min(reach, rest.size() - i);
      double left = (sums[i] - sums[i - before]) / static_cast<double>(before);
      double right = (sums[i + after] - sums[i]) / static_cast<double>(after);
      contrasts[i] = std::abs(right - left) / std::sqrt(1 / static_cast<double>(before) + 1 / static_cast<double>(after));
    }
    std::vector<TrendPart> result;
    for (std::size_t n = 0; n < kStepsTried; ++n) {
      const auto best = std::ranges::max_element(contrasts);
      if (*best <= 0) break;
      auto place = static_cast<std::size_t>(best - contrasts.begin());
      result.push_back({Kind::Step, (grid_.time_h[place - 1] + grid_.time_h[place]) / 2});
      for (std::size_t i = place - 2; i <= place + 2 && i < contrasts.size(); ++i) contrasts[i] = 0;
    }
    return result;
  }

  // Whether one more step in the place of the line would explain the values clearly better.
  bool may_be_step(double memory) const {
    Whitener whitener(grid_.gaps, memory, Whitener::First::Left);
    std::vector<TrendPart> parts = parts_;
    double with_line = likelihood(squares(parts, whitener), whitener);
    std::erase_if(parts, [](const TrendPart& part) { return part.kind == Kind::Line || part.kind == Kind::Bend; });
    const Squares base = squares(parts, whitener);
    for (std::size_t place = 1; place < kPlacesOfStep; ++place) {
      double share = static_cast<double>(place) / static_cast<double>(kPlacesOfStep);
      std::vector<TrendColumn> step = columns({Kind::Step, axis_.span_h * share});
      step[0] = whitener(step[0]);
      if (likelihood(base.rest_with(step), whitener) > with_line + kClearly) return true;
    }
    return false;
  }

  std::vector<TrendPart> parts_to_try() const {
    std::vector<TrendPart> result = steps_to_try();
    for (double share : kBendsTried) result.push_back({Kind::Bend, share * axis_.span_h});
    bool has_warm_up = std::ranges::any_of(parts_, [](const TrendPart& part) { return part.kind == Kind::WarmUp; });
    for (double share : kWarmUpsTried) {
      // Shorter than the grid's step it would be a single point.
      if (!has_warm_up && share * axis_.span_h >= axis_.step_h) result.push_back({Kind::WarmUp, share * axis_.span_h});
    }
    if (axis_.span_h >= kFewestDays * kDay) {
      for (double harmonic = 1; harmonic <= kMostHarmonics; ++harmonic) {
        if (axis_.step_h * harmonic * 4 <= kDay) result.push_back({Kind::Cycle, harmonic});
      }
    }
    std::erase_if(result, [this](const TrendPart& part) { return std::ranges::find(parts_, part) != parts_.end(); });
    return result;
  }

  double least_gain(const TrendPart& part) const {
    if (part.kind == Kind::WarmUp && part.at <= kEarly * axis_.span_h) return kLeastGainOfWarmUp;
    return part.kind == Kind::Bend ? kLeastGainOfBend : kLeastGain;
  }

  bool is_place(const TrendPart& part) const {
    double last = part.kind == Kind::Bend ? kLastBend : 1;
    return part.at > 0 && part.at < last * axis_.span_h;
  }

  // Where exactly: between the places that were tried a short warm-up leaves a rest that looks like a slope, and a step one that
  // looks like a memory.
  void refine(TrendPart& part) {
    if (part.kind == Kind::Cycle) return;
    bool is_share = part.kind == Kind::WarmUp;
    double best = best_likelihood(parts_);
    double step = is_share ? 0.2 * part.at : part.kind == Kind::Step ? axis_.step_h / 2 : 0.05 * axis_.span_h;
    // A step of hundreds of deviations is misplaced by one if it is some hundredth of a bin away.
    int halvings = part.kind == Kind::Step ? 10 : 4;
    for (int halving = 0; halving < halvings; ++halving, step /= 2) {
      double start = part.at, found = start;
      for (double place : {start - step, start + step}) {
        part.at = place;
        double now = is_place(part) ? best_likelihood(parts_) : best;
        if (now > best) {
          best = now;
          found = place;
        }
      }
      part.at = found;
    }
  }

  void choose() {
    while (parts_.size() < kMostParts) {
      const std::vector<TrendPart> tried = parts_to_try();
      std::vector<double> best(tried.size(), -std::numeric_limits<double>::infinity());
      double before = best_likelihood(parts_);
      for (double memory : kMemories) {
        Whitener whitener(grid_.gaps, memory, Whitener::First::Left);
        const Squares base = squares(parts_, whitener);
        for (std::size_t i = 0; i < tried.size(); ++i) {
          std::vector<TrendColumn> white;
          for (const TrendColumn& column : columns(tried[i])) white.push_back(whitener(column));
          best[i] = std::max(best[i], likelihood(base.rest_with(white), whitener));
        }
      }
      std::size_t chosen = tried.size();
      double most = 0;
      for (std::size_t i = 0; i < tried.size(); ++i) {
        double gain = best[i] - before - least_gain(tried[i]);
        if (gain > most) {
          most = gain;
          chosen = i;
        }
      }
      if (chosen == tried.size()) return;
      parts_.push_back(tried[chosen]);
      refine(parts_.back());
    }
  }

  // A part that was taken for want of a better one goes when that has come.
  void prune() {
    double with = best_likelihood(parts_);
    for (std::size_t i = parts_.size(); i-- > 2;) {
      std::vector<TrendPart> fewer = parts_;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      double without = best_likelihood(fewer);
      if (with - without >= least_gain(parts_[i])) continue;
      parts_ = std::move(fewer);
      with = without;
    }
  }

  double best_memory() const {
    double best = -std::numeric_limits<double>::infinity(), result = 0;
    for (double memory : kMemories) {
      Whitener whitener(grid_.gaps, memory, Whitener::First::Left);
      double now = likelihood(squares(parts_, whitener), whitener);
      if (now > best) {
        best = now;
        result = memory;
      }
    }
    return result;
  }

  // Of deviations from the fit, which are smaller than those from the truth and swing back sooner: each column that was fitted
  // takes some of the memory with it (Marriott and Pope, 1954; Kendall, 1954).
  double memory_of(const TrendColumn& deviations, std::size_t fitted) const {
    double product = 0, square = 0;
    for (std::size_t i = 1; i < deviations.size(); ++i) {
      if (grid_.gaps[i] != 1) continue;
      product += deviations[i] * deviations[i - 1];
      square += deviations[i - 1] * deviations[i - 1];
    }
    if (square <= 0) return 0;
    double seen = product / square;
    auto columns = static_cast<double>(fitted);
    auto points = static_cast<double>(deviations.size());
    double corrected = seen + (columns + (columns + 2) * seen) / points;
    if (corrected >= 1 - kWalkMargin / std::sqrt(points)) return 1;
    return std::max(corrected, 0.0);
  }

  TrendColumn deviations(const std::vector<double>& factors) const {
    TrendColumn result = values_;
    std::size_t place = 0;
    for (const TrendPart& part : parts_) {
      for (const TrendColumn& column : columns(part)) {
        for (std::size_t i = 0; i < result.size(); ++i) result[i] -= factors[place] * column[i];
        ++place;
      }
    }
    return result;
  }

  TrendFit finish() const {
    TrendFit fit;
    fit.parts = parts_;
    fit.axis = axis_;
    fit.points = grid_.size();
    fit.memory = best_memory();
    for (int round = 0;; ++round) {
      Whitener whitener(grid_.gaps, fit.memory, Whitener::First::Kept);
      const Squares fitted = squares(parts_, whitener);
      fit.factors = fitted.factors();
      auto freedom = static_cast<double>(whitener.points()) - static_cast<double>(fit.factors.size());
      double variance = std::max(fitted.rest(), kLeastRest) / std::max(freedom, 1.0);
      if (round == kRounds) {
        fit.noise = std::sqrt(variance) * scale_;
        add_slope(fit, fitted, variance);
        break;
      }
      fit.memory = memory_of(deviations(fit.factors), fit.factors.size());
    }
    for (double& factor : fit.factors) factor *= scale_;
    fit.factors[0] += origin_;
    fit.may_be_step = fit.slope > kWorthDoubt * fit.slope_error && may_be_step(fit.memory);
    return fit;
  }

  void add_slope(TrendFit& fit, const Squares& fitted, double variance) const {
    std::vector<double> weights;
    for (const TrendPart& part : parts_) {
      bool counts = part.kind == Kind::Line || part.kind == Kind::Bend;
      weights.insert(weights.end(), width(part), counts ? 1 : 0);
    }
    for (std::size_t i = 0; i < weights.size(); ++i) fit.slope += weights[i] * fit.factors[i];
    fit.slope *= scale_ / axis_.span_h;
    fit.slope_error = std::sqrt(variance * fitted.variance_of(weights)) * scale_ / axis_.span_h;
  }

  // Values have a range of 1: so much is lost to rounding.
  static constexpr double kLeastRest = 1e-14;
  static constexpr double kWorthDoubt = 2, kClearly = 4;
  static constexpr double kWalkMargin = 0.5;

  const Grid& grid_;
  TrendAxis axis_;
  double scale_ = 1, origin_ = 0;
  TrendColumn values_;
  std::vector<TrendPart> parts_{{Kind::Level, 0}, {Kind::Line, 0}};
};

}  // namespace

double TrendFit::degrees_of_freedom() const {
  double freedom = static_cast<double>(points) - static_cast<double>(factors.size());
  return memory < 1 ? freedom * (1 - memory) / (1 + memory) : freedom;
}

bool TrendFit::has(TrendPart::Kind kind) const {
  return std::ranges::find(parts, kind, &TrendPart::kind) != parts.end();
}

TrendFit fit_trend(const Grid& grid) {
  VERIFY(grid.size() >= kFewestPoints);
  return Fitter(grid).run();
}

std::vector<double> straightened(const Grid& grid, const TrendFit& fit) {
  std::vector<double> result = grid.values;
  std::size_t place = 0;
  for (const TrendPart& part : fit.parts) {
    for (std::size_t c = 0; c < width(part); ++c, ++place) {
      if (part.kind == Kind::Level || part.kind == Kind::Line || part.kind == Kind::Bend) continue;
      for (std::size_t i = 0; i < result.size(); ++i)
        result[i] -= fit.factors[place] * column_at(part, c, {grid.time_h[i], grid.widths_h[i]}, fit.axis);
    }
  }
  return result;
}

double value_at(const TrendFit& fit, double time_h) {
  double sum = 0;
  std::size_t place = 0;
  for (const TrendPart& part : fit.parts) {
    for (std::size_t c = 0; c < width(part); ++c, ++place)
      sum += fit.factors[place] * column_at(part, c, {time_h, fit.axis.step_h}, fit.axis);
  }
  return sum;
}

}  // namespace orphan::watch
