// SPDX-License-Identifier: Apache-2.0
// Series of which the truth is known, for tests and benchmarks: leaks, and what only looks like one, under noise. The same seed
// makes the same series on every machine.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "watch/trend_squares.h"

namespace orphan::watch {

// Late: a leak that begins after a third of the time. Walk: noise of which nothing is ever forgotten.
enum class Shape : u8 { Plain, Cycle, Step, WarmUp, Sawtooth, Spikes, Walk, Late };
inline constexpr std::array<std::string_view, 8> kShapeWords{"noise",    "daily cycle", "steps",       "warm-up",
                                                             "sawtooth", "spikes",      "random walk", "late"};

struct Recipe {
  Shape shape = Shape::Plain;
  double level = 1e8;
  double rate = 0;     // an hour
  double noise = 1e6;  // the standard deviation of the noise, not of what is new in it
  double memory = 0;   // of the noise, from sample to sample
  double interval_h = 1.0 / 12;
  std::size_t samples = 288;
  // The rest is drawn. Sizes are in standard deviations of the noise, places are shares of the span.
  double size = 0, phase = 0, second = 0, place = 0, other_place = 0, other_size = 0;

  double span_h() const { return interval_h * static_cast<double>(samples); }
};

struct SyntheticSeries {
  std::vector<double> time_h, values;
};

class Synthesizer {
 public:
  explicit Synthesizer(u64 seed) : random_(seed) {}

  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(random_() >> 11) + 0.5) / 9007199254740992.0;
  }
  // The library's distributions differ from one standard library to the next.
  double normal() {
    double radius = std::sqrt(-2 * std::log(uniform(0, 1)));
    return radius * std::cos(2 * std::numbers::pi * uniform(0, 1));
  }

  void draw(Recipe& recipe) {
    recipe.size = uniform(4, 30);
    recipe.phase = uniform(0, 2 * std::numbers::pi);
    recipe.second = uniform(0, 0.4);
    recipe.place = uniform(0.15, 0.85);
    recipe.other_place = uniform(0.15, 0.85);
    recipe.other_size = uniform(0, 1) < 0.5 ? 0 : uniform(-30, 30);
    bool is_down = uniform(0, 1) < 0.5;
    if (recipe.shape == Shape::Step && is_down) recipe.size = -recipe.size;
    if (recipe.shape == Shape::WarmUp) recipe.place = uniform(0.02, 0.15);
    if (recipe.shape == Shape::Sawtooth) recipe.place = 1 / uniform(3.3, 12);
    if (recipe.shape == Shape::Late) recipe.place = 1.0 / 3;
  }

  SyntheticSeries make(const Recipe& recipe) {
    SyntheticSeries series;
    double noise = recipe.noise * normal(), fresh = recipe.noise * std::sqrt(1 - recipe.memory * recipe.memory);
    double walk = 0;
    for (std::size_t i = 0; i < recipe.samples; ++i) {
      double time_h = recipe.interval_h * static_cast<double>(i);
      if (i != 0) noise = recipe.memory * noise + fresh * normal();
      walk += normal() * recipe.noise;
      double value = recipe.level + grown(recipe, time_h) + (recipe.shape == Shape::Walk ? walk : noise);
      series.time_h.push_back(time_h);
      series.values.push_back(std::round(value + recipe.noise * extra(recipe, time_h)));
    }
    return series;
  }

  static double grown(const Recipe& recipe, double time_h) {
    return recipe.rate * (recipe.shape == Shape::Late ? std::max(0.0, time_h - recipe.place * recipe.span_h()) : time_h);
  }

 private:
  double extra(const Recipe& recipe, double time_h) {
    double share = time_h / recipe.span_h();
    switch (recipe.shape) {
      case Shape::Plain:
      case Shape::Walk:
      case Shape::Late: return 0;
      case Shape::Cycle: {
        double angle = 2 * std::numbers::pi * time_h / 24 + recipe.phase;
        return recipe.size / 2 * (std::sin(angle) + recipe.second * std::sin(2 * angle + recipe.phase));
      }
      case Shape::Step: return (share >= recipe.place ? recipe.size : 0) + (share >= recipe.other_place ? recipe.other_size : 0);
      case Shape::WarmUp: return -3 * recipe.size * std::exp(-share / recipe.place);
      case Shape::Sawtooth: {
        double teeth = share / recipe.place + recipe.second;
        return (10 + recipe.size) * (teeth - std::floor(teeth));
      }
      case Shape::Spikes: return uniform(0, 1) < 0.02 ? uniform(-40, 40) : 0;
    }
    return 0;
  }

  std::mt19937_64 random_;
};

// The standard error of the best estimate of the rate that there can be, by generalised least squares. Its observer knows the
// noise, and which parts the series has. Of steps and of the start of a late leak he knows when they were, but not how large they
// are, or whether it grew before; of a warm-up neither.
inline double ideal_error(const Recipe& recipe) {
  std::vector<TrendColumn> columns(1);
  auto add = [&](auto value_of) {
    TrendColumn column;
    for (std::size_t i = 0; i < recipe.samples; ++i) column.push_back(value_of(recipe.interval_h * static_cast<double>(i)));
    columns.push_back(std::move(column));
  };
  double span_h = recipe.span_h();
  Recipe unit = recipe;
  unit.rate = 1 / span_h;
  columns[0].assign(recipe.samples, 1);
  for (double place : {recipe.place, recipe.other_place}) {
    if (recipe.shape == Shape::Step) add([&](double time_h) { return time_h >= place * span_h ? 1.0 : 0.0; });
    if (recipe.other_size == 0) break;
  }
  for (double power : {0.0, 1.0}) {
    double length_h = recipe.place * span_h;
    // The derivative of the first by its length stands for the length's not being known.
    if (recipe.shape == Shape::WarmUp)
      add([&](double time_h) { return std::pow(time_h / length_h, power) * std::exp(-time_h / length_h); });
  }
  if (recipe.shape == Shape::Late) add([&](double time_h) { return time_h / span_h; });
  for (double angle = 0; recipe.shape == Shape::Cycle && angle < 4; ++angle) {
    double turn = angle < 2 ? 1 : 2, shift = std::fmod(angle, 2) * std::numbers::pi / 2;
    add([&](double time_h) { return std::sin(2 * std::numbers::pi * time_h / 24 * turn + shift); });
  }
  add([&](double time_h) { return Synthesizer::grown(unit, time_h); });
  const std::vector<std::size_t> gaps(recipe.samples, 1);
  Whitener whitener(gaps, recipe.memory, Whitener::First::Kept);
  Squares squares(whitener(columns[0]));
  for (const TrendColumn& column : columns) squares.add(whitener(column));
  std::vector<double> weights(columns.size());
  weights.back() = 1;
  return recipe.noise * std::sqrt((1 - recipe.memory * recipe.memory) * squares.variance_of(weights)) / span_h;
}

// So many samples that observer needs until the rate is `scores` of his standard errors; nothing if `most` are not enough.
inline std::optional<std::size_t> ideal_samples(Recipe recipe, double scores, std::size_t most) {
  auto is_enough = [&](std::size_t samples) {
    recipe.samples = samples;
    return recipe.rate >= scores * ideal_error(recipe);
  };
  if (!is_enough(most)) return std::nullopt;
  std::size_t low = 8, high = most;
  while (low < high) {
    std::size_t half = (low + high) / 2;
    if (is_enough(half)) {
      high = half;
    } else {
      low = half + 1;
    }
  }
  return low;
}

// When a leak has to be found: when its slope is so many of the best observer's standard errors. With the same threshold of 3.5
// he finds 999 of 1,000 at 6.6. Who has to find out first what the noise is like and which parts there are takes longer; 8
// is 1.14 times the time, since the error shrinks with the power 1.5 of it.
inline constexpr double kIdealScores = 8;

// A leak of 0.1 to 100 % a day, and just as many samples as the best observer needs. He has to tell noise with a memory from a
// random walk, too, with kIdealScores: the error of a memory m out of n samples is sqrt((1 - m²) / n). And nobody tells a daily
// cycle from growth in less than two days.
inline Recipe draw_leak(Synthesizer& synthesizer, Shape shape, double memory) {
  constexpr std::size_t kMost = 30 * 288;
  constexpr double kLevel = 1e8;
  for (;;) {
    Recipe recipe{.shape = shape, .level = kLevel, .memory = memory};
    recipe.rate = kLevel * std::pow(10, synthesizer.uniform(-3, 0)) / 24;
    recipe.noise = kLevel * std::pow(10, synthesizer.uniform(-3.5, -1));
    synthesizer.draw(recipe);
    std::optional<std::size_t> needed = ideal_samples(recipe, kIdealScores, kMost);
    if (!needed) continue;
    double telling = kIdealScores * kIdealScores * (1 + memory) / (1 - memory);
    recipe.samples = std::max(*needed, static_cast<std::size_t>(telling));
    if (shape == Shape::Cycle) recipe.samples = std::max<std::size_t>(recipe.samples, 600);
    return recipe;
  }
}

// What does not leak, for some hours to a week.
inline Recipe draw_harmless(Synthesizer& synthesizer, Shape shape, double memory, std::size_t number) {
  constexpr std::array<std::size_t, 4> kSamples{40, 120, 288, 2016};
  constexpr std::array<std::size_t, 4> kSamplesOfCycle{600, 864, 1200, 2016};
  Recipe recipe{.shape = shape, .memory = memory};
  recipe.samples = (shape == Shape::Cycle ? kSamplesOfCycle : kSamples)[number % 4];
  synthesizer.draw(recipe);
  return recipe;
}

}  // namespace orphan::watch
