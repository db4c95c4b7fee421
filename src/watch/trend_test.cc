// SPDX-License-Identifier: Apache-2.0
#include "watch/trend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "watch/trend_grid.h"
#include "watch/trend_synthetic.h"

namespace orphan::watch {
namespace {

constexpr double kFiveMinutes = 1.0 / 12;

struct Points {
  std::vector<double> time_h, values;
};

template <typename Value>
Points points(std::size_t count, Value value, double interval_h = kFiveMinutes) {
  Points result;
  for (std::size_t i = 0; i < count; ++i) {
    result.time_h.push_back(interval_h * static_cast<double>(i));
    result.values.push_back(value(result.time_h.back()));
  }
  return result;
}

Trend trend_of(const Points& points, const TrendOptions& options = {}) {
  return find_trend(points.time_h, points.values, options);
}

Trend trend_of(Synthesizer& synthesizer, const Recipe& recipe) {
  SyntheticSeries series = synthesizer.make(recipe);
  return find_trend(series.time_h, series.values);
}

TEST(Trend, ALineIsGrowthWithItsRate) {
  Trend trend = trend_of(points(100, [](double t) { return 1e6 + 4096 * t; }));
  EXPECT_EQ(trend.verdict, Verdict::Growing);
  EXPECT_NEAR(trend.rate, 4096, 1);
  EXPECT_NEAR(trend.r2, 1, 1e-6);
  EXPECT_NEAR(trend.kendall, 1, 1e-9);
  EXPECT_NEAR(trend.last, 1e6 + 4096 * trend.span_h, 10);
  EXPECT_TRUE(trend.may_be_cycle);  // nobody knows, after eight hours
}

TEST(Trend, WhatStaysOrFallsDoesNotGrow) {
  EXPECT_EQ(trend_of(points(100, [](double) { return 5.0; })).verdict, Verdict::Flat);
  Trend falls = trend_of(points(100, [](double t) { return 1e6 - 4096 * t; }));
  EXPECT_EQ(falls.verdict, Verdict::Flat);
  EXPECT_NEAR(falls.rate, -4096, 1);
}

TEST(Trend, SlowerThanAskedForIsFlat) {
  Points line = points(100, [](double t) { return 1e6 + 4096 * t; });
  EXPECT_EQ(trend_of(line, {.min_rate = 4000}).verdict, Verdict::Growing);
  EXPECT_EQ(trend_of(line, {.min_rate = 4200}).verdict, Verdict::Flat);
}

TEST(Trend, AFewSamplesAreNotEnough) {
  auto line = [](double t) { return 1e6 + 4096 * t; };
  EXPECT_EQ(trend_of(points(19, line)).verdict, Verdict::TooShort);
  EXPECT_EQ(trend_of(points(20, line)).verdict, Verdict::Growing);
  EXPECT_EQ(trend_of(points(0, line)).verdict, Verdict::TooShort);
  EXPECT_EQ(trend_of(points(50, line, 0)).verdict, Verdict::TooShort);  // all at one time
}

TEST(Trend, AStepIsAStepWithItsSizeAndTime) {
  Synthesizer synthesizer(1);
  Trend trend = trend_of(points(288, [&](double t) { return 1e6 + 1e3 * synthesizer.normal() + (t < 10 ? 0 : 5e4); }));
  EXPECT_EQ(trend.verdict, Verdict::Step);
  EXPECT_NEAR(trend.step, 5e4, 1e3);
  EXPECT_NEAR(trend.step_h, 10, 0.2);
}

TEST(Trend, AStepBesideGrowthDoesNotChangeTheRate) {
  Synthesizer synthesizer(2);
  for (double step : {-5e5, 5e5}) {
    Trend trend = trend_of(points(288, [&](double t) { return 1e6 + 1e3 * (synthesizer.normal() + t) + (t < 9 ? 0 : step); }));
    EXPECT_EQ(trend.verdict, Verdict::Growing);
    EXPECT_NEAR(trend.rate, 1e3, 50);
    EXPECT_NEAR(trend.step, step, 1e3);
  }
}

TEST(Trend, ADailyCycleIsNoGrowth_AndGrowthBelowItIsFound) {
  Synthesizer synthesizer(3);
  auto cycle = [&](double t) { return 1e8 + 1e5 * synthesizer.normal() + 1e7 * std::sin(t / 24 * 2 * std::numbers::pi); };
  Trend without = trend_of(points(3 * 288, cycle));
  EXPECT_EQ(without.verdict, Verdict::Flat);
  EXPECT_TRUE(without.has_daily_cycle);
  Trend with = trend_of(points(3 * 288, [&](double t) { return cycle(t) + 5e3 * t; }));
  EXPECT_EQ(with.verdict, Verdict::Growing);
  EXPECT_NEAR(with.rate, 5e3, 1e3);
  EXPECT_FALSE(with.may_be_cycle);
}

TEST(Trend, AWarmUpIsNoGrowth_AndGrowthBehindItIsFound) {
  Synthesizer synthesizer(4);
  auto warm_up = [&](double t) { return 1e8 + 1e5 * synthesizer.normal() - 5e7 * std::exp(-t / 2); };
  Trend without = trend_of(points(288, warm_up));
  EXPECT_EQ(without.verdict, Verdict::Flat);
  EXPECT_NEAR(without.warm_up_h, 8, 1);
  Trend with = trend_of(points(288, [&](double t) { return warm_up(t) + 2e5 * t; }));
  EXPECT_EQ(with.verdict, Verdict::Growing);
  EXPECT_NEAR(with.rate, 2e5, 2e4);
}

TEST(Trend, ASawtoothIsOne_WithTheRateOfItsRises) {
  Synthesizer synthesizer(5);
  Trend trend = trend_of(points(288, [&](double t) { return 1e6 + 1e3 * synthesizer.normal() + 1e4 * std::fmod(t, 5.3); }));
  EXPECT_EQ(trend.verdict, Verdict::Sawtooth);
  EXPECT_EQ(trend.drops, 4U);
  EXPECT_NEAR(trend.rate, 1e4, 300);
  // Rises that no drop takes back are not teeth.
  EXPECT_EQ(trend_of(points(288, [](double t) { return 1e4 * t - (t > 8 ? 1e5 : 0) - (t > 16 ? 3e4 : 0); })).verdict,
            Verdict::Growing);
}

TEST(Trend, AReadingThatSticksOutChangesNothing) {
  Synthesizer synthesizer(6);
  Points noise = points(100, [&](double) { return 1e6 + 1e3 * synthesizer.normal(); });
  noise.values[97] = 1e9;
  noise.values[3] = 0;
  Trend trend = trend_of(noise);
  EXPECT_EQ(trend.verdict, Verdict::Flat);
  EXPECT_LT(std::abs(trend.rate), 300);
}

TEST(Trend, AGapInTheSamplesIsNoEnd) {
  Synthesizer synthesizer(7);
  Points line = points(400, [&](double t) { return 1e6 + 1e3 * synthesizer.normal() + 1e3 * t; });
  line.time_h.erase(line.time_h.begin() + 100, line.time_h.begin() + 300);
  line.values.erase(line.values.begin() + 100, line.values.begin() + 300);
  Trend trend = trend_of(line);
  EXPECT_EQ(trend.verdict, Verdict::Growing);
  EXPECT_NEAR(trend.rate, 1e3, 50);
}

TEST(Trend, ALeakThatBeginsLaterHasTheRateOfItsEnd) {
  Synthesizer synthesizer(8);
  Trend trend = trend_of(points(576, [&](double t) { return 1e6 + 1e3 * synthesizer.normal() + 2e3 * std::max(0.0, t - 20); }));
  EXPECT_EQ(trend.verdict, Verdict::Growing);
  EXPECT_NEAR(trend.rate, 2e3, 100);
  EXPECT_NEAR(trend.since_h, 20, 1);
}

TEST(Trend, SlopesOfPartsAddUp) {
  Points a = points(50, [](double t) { return t * t; }), b = points(50, [](double t) { return 7 - std::sqrt(t); });
  Points sum = a;
  for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += b.values[i];
  EXPECT_NEAR(plain_slope(a.time_h, a.values) + plain_slope(b.time_h, b.values), plain_slope(sum.time_h, sum.values), 1e-9);
}

TEST(Grid, LongSeriesGetShort_AndSpikesGo) {
  Points line = points(10'000, [](double t) { return 3 * t; });
  Grid grid = make_grid(line.time_h, line.values);
  EXPECT_LE(grid.size(), kGridPoints);
  EXPECT_GE(grid.size(), kGridPoints - 2);
  for (std::size_t i = 0; i < grid.size(); ++i) EXPECT_NEAR(grid.values[i], 3 * grid.time_h[i], 1e-6);
  std::vector<double> plain = without_spikes(std::vector<double>{1, 2, 3, 400, 5, 6, 7, 8, 9});
  EXPECT_EQ(plain[3], 5);
  EXPECT_EQ(plain[8], 9);
}

// What the documentation claims, on fewer series: bench/trend_bench has more.
TEST(Synthetic, LeaksAreFoundWithinTheTimeThatTheoryAllows) {
  Synthesizer synthesizer(11);
  std::size_t leaks = 0, found = 0, covered = 0;
  for (Shape shape : {Shape::Plain, Shape::Cycle, Shape::Step, Shape::Spikes}) {
    for (double memory : {0.0, 0.5, 0.8}) {
      for (std::size_t i = 0; i < 16; ++i) {
        Recipe recipe = draw_leak(synthesizer, shape, memory);
        Trend trend = trend_of(synthesizer, recipe);
        ++leaks;
        found += trend.verdict == Verdict::Growing;
        covered += trend.rate_low <= recipe.rate && recipe.rate <= trend.rate_high;
      }
    }
  }
  EXPECT_GE(static_cast<double>(found), 0.98 * static_cast<double>(leaks)) << found << " of " << leaks;
  EXPECT_GE(static_cast<double>(covered), 0.92 * static_cast<double>(leaks)) << covered << " of " << leaks;
}

TEST(Synthetic, WhatDoesNotLeakRarelyLooksLikeIt) {
  Synthesizer synthesizer(12);
  std::size_t series = 0, alarms = 0;
  for (Shape shape : {Shape::Plain, Shape::Cycle, Shape::Step, Shape::WarmUp, Shape::Sawtooth, Shape::Spikes}) {
    for (double memory : {0.0, 0.5, 0.8}) {
      for (std::size_t i = 0; i < 16; ++i, ++series)
        alarms += trend_of(synthesizer, draw_harmless(synthesizer, shape, memory, i)).verdict == Verdict::Growing;
    }
  }
  EXPECT_LE(static_cast<double>(alarms), 0.01 * static_cast<double>(series)) << alarms << " of " << series;
}

}  // namespace
}  // namespace orphan::watch
