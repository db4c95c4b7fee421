// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_watch.h"

#include <gtest/gtest.h>

#include "watch/trend_synthetic.h"

namespace orphan::watch {
namespace {

constexpr double kFiveMinutes = 1.0 / 12;

struct Told {
  std::size_t sample = 0;
  Verdict verdict = Verdict::TooShort;
};

// Feeds a series, and gives what was told of it.
template <typename Value>
std::vector<Told> watch(TrendWatch& watch, std::size_t samples, Value value) {
  std::vector<Told> told;
  for (std::size_t i = 0; i < samples; ++i) {
    double time_h = kFiveMinutes * static_cast<double>(i);
    watch.add(1, time_h, value(time_h));
    for (const TrendWatch::Change& change : watch.take_changes()) {
      EXPECT_EQ(change.id, 1U);
      told.push_back({i, change.trend.verdict});
    }
  }
  return told;
}

TEST(TrendWatch, ALeakIsToldOnce_AlsoWhenItHasMoreSamplesThanAreKept) {
  Synthesizer synthesizer(1);
  TrendWatch trends({});
  auto told = watch(trends, 4000, [&](double t) { return 1e8 + 1e5 * synthesizer.normal() + 1e5 * t; });
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back().verdict, Verdict::Growing);
  EXPECT_LT(told.back().sample, 200U);
  EXPECT_LE(told.size(), 2U);  // flat, while it was too little to be seen
}

TEST(TrendWatch, NoiseIsToldToBeFlatAndNoMore) {
  Synthesizer synthesizer(2);
  TrendWatch trends({});
  auto told = watch(trends, 2000, [&](double) { return 1e8 + 1e5 * synthesizer.normal(); });
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].verdict, Verdict::Flat);
}

TEST(TrendWatch, ALeakThatStoppedIsNotGrowingAnyMore) {
  Synthesizer synthesizer(3);
  TrendWatch trends({});
  auto told = watch(trends, 3000, [&](double t) { return 1e8 + 1e5 * synthesizer.normal() + 1e5 * std::min(t, 20.0); });
  ASSERT_GE(told.size(), 2U);
  EXPECT_NE(told.back().verdict, Verdict::Growing);
}

TEST(TrendWatch, WhatIsForgottenBeginsAnew) {
  TrendWatch trends({});
  auto line = [](double t) { return 1e6 * t; };
  ASSERT_FALSE(watch(trends, 60, line).empty());
  trends.forget(1);
  EXPECT_TRUE(trends.take_changes().empty());
  EXPECT_FALSE(watch(trends, 60, line).empty());
}

}  // namespace
}  // namespace orphan::watch
