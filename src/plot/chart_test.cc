// SPDX-License-Identifier: Apache-2.0
#include "plot/chart.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "plot/sample_chart.h"

namespace orphan::plot {
namespace {

using watch::Kind;
using watch::Unit;

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> labels(const Scale& scale) {
  std::vector<std::string> result;
  for (double tick : scale.ticks) result.push_back(scale.label(tick));
  return result;
}

Panel panel_of(std::vector<double> values, Unit unit = Unit::Bytes) {
  return {.title = "", .unit = unit, .lines = {{.name = "", .row = 0, .values = std::move(values)}}};
}

TEST(Chart, MemoryAndWhatLeaksAreDrawn_AndWhatDoesNotIsNot) {
  SampleMachine machine;
  machine.add_usual();
  watch::TrendReport report = machine.report();
  Chart chart = machine.chart(report);
  ASSERT_EQ(chart.panels.size(), 2U);
  ASSERT_EQ(chart.panels[0].lines.size(), 1U);
  EXPECT_EQ(chart.panels[0].lines[0].name, "MemAvailable");
  ASSERT_EQ(chart.panels[1].lines.size(), 1U);
  EXPECT_EQ(chart.panels[1].lines[0].name, "slab kmalloc-4k");
  EXPECT_EQ(report.rows[chart.panels[1].lines[0].row].series.name, "kmalloc-4k");
  EXPECT_EQ(chart.panels[1].lines[0].values.size(), chart.time_s.size());
}

TEST(Chart, WhereNothingLeaksTheLargestAreDrawn) {
  SampleMachine machine;
  for (int i = 0; i < 5; ++i)
    machine.add(Kind::Slab, std::string(1, static_cast<char>('a' + i)), "bytes", Unit::Bytes,
                [=](std::size_t) { return 1e6 * i; });
  Chart chart = machine.chart(machine.report());
  ASSERT_EQ(chart.panels.size(), 1U);
  ASSERT_EQ(chart.panels[0].lines.size(), 3U);
  EXPECT_EQ(chart.panels[0].lines[0].name, "slab e");
  EXPECT_EQ(chart.panels[0].lines[2].name, "slab c");
}

TEST(Chart, SeriesAreChosenByPartsOfTheirNames_CountsHaveAPanelOfTheirOwn) {
  SampleMachine machine;
  machine.add_usual();
  machine.add(Kind::Process, "steady 1 1", "threads", Unit::Count, [](std::size_t) { return 7.0; });
  watch::TrendReport report = machine.report();
  Chart chart = machine.chart(report, {.names = {"steady"}});
  ASSERT_EQ(chart.panels.size(), 2U);
  EXPECT_EQ(chart.panels[0].lines[0].name, "process steady 1 1 rss");
  EXPECT_EQ(chart.panels[1].unit, Unit::Count);
  Result<Chart> none = make_chart(machine.samples(), report, {.names = {"steady", "nowhere"}});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().text(), "--series: no series has 'nowhere' in its name; orphan trend --format json lists them");
}

TEST(Chart, NoMoreThanTopAreDrawn) {
  SampleMachine machine;
  for (int i = 1; i <= 5; ++i)
    machine.add(Kind::Slab, "cache-" + std::to_string(i), "bytes", Unit::Bytes,
                [=](std::size_t n) { return 1e6 * i * static_cast<double>(n); });
  Chart chart = machine.chart(machine.report(), {.top = 2, .names = {}});
  ASSERT_EQ(chart.panels.size(), 1U);
  ASSERT_EQ(chart.panels[0].lines.size(), 2U);
  EXPECT_EQ(chart.panels[0].lines[0].name, "slab cache-5");
}

TEST(Chart, WhereTimeWasMissedThereIsAGap) {
  SampleMachine machine(30);
  machine.add_time(30 * 300 + 3600);
  machine.add(Kind::Slab, "a", "bytes", Unit::Bytes, [](std::size_t) { return 5.0; });
  Chart chart = machine.chart(machine.report());
  ASSERT_EQ(chart.time_s.size(), 32U);
  const std::vector<double>& values = chart.panels[0].lines[0].values;
  EXPECT_TRUE(std::isnan(values[30]));
  EXPECT_EQ(values[29], 5);
  EXPECT_EQ(values[31], 5);
  EXPECT_GT(chart.time_s[30], chart.time_s[29]);
  EXPECT_LT(chart.time_s[30], chart.time_s[31]);
}

TEST(Chart, WhereTheIntervalChangesThereIsNone) {
  SampleMachine machine(100);
  for (int i = 1; i <= 50; ++i) machine.add_time(100 * 300 + i * 3600);
  machine.add(Kind::Slab, "a", "bytes", Unit::Bytes, [](std::size_t) { return 5.0; });
  EXPECT_EQ(machine.chart(machine.report()).time_s.size(), 150U);
}

TEST(Chart, ThinnedALineThatEndedEarlyIsAsShortAsAnother) {
  Chart chart;
  std::vector<double> values(100'000, kNothing);
  std::fill_n(values.begin(), 60, 7.0);
  for (std::size_t i = 0; i < values.size(); ++i) chart.time_s.push_back(static_cast<double>(i));
  chart.panels.push_back(panel_of(std::move(values)));
  EXPECT_LE(thinned(chart, 500).time_s.size(), 510U);
}

TEST(Chart, ThinnedItStillHasEachPeak_AndTheGap) {
  Chart chart;
  std::vector<double> values;
  for (std::size_t i = 0; i < 10'000; ++i) {
    chart.time_s.push_back(static_cast<double>(i));
    values.push_back(i == 5000 ? kNothing : i == 1234 ? 1000 : i == 8765 ? -1000 : 0);
  }
  chart.panels.push_back(panel_of(std::move(values)));
  Chart thin = thinned(chart, 500);
  EXPECT_LE(thin.time_s.size(), 510U);
  EXPECT_TRUE(std::ranges::is_sorted(thin.time_s));
  const std::vector<double>& left = thin.panels[0].lines[0].values;
  ASSERT_EQ(left.size(), thin.time_s.size());
  EXPECT_EQ(std::ranges::count(left, 1000), 1);
  EXPECT_EQ(std::ranges::count(left, -1000), 1);
  EXPECT_EQ(std::ranges::count_if(left, [](double value) { return std::isnan(value); }), 1);
  EXPECT_EQ(thinned(chart, 20'000).time_s.size(), 10'000U);
}

TEST(Chart, ScalesAreInRoundNumbersOfTheirUnit) {
  constexpr double kGiB = 1 << 30;
  EXPECT_EQ(labels(scale_of(panel_of({0.1 * kGiB, 7.4 * kGiB}), 5)),
            (std::vector<std::string>{"0 GiB", "2 GiB", "4 GiB", "6 GiB", "8 GiB"}));
  EXPECT_EQ(labels(scale_of(panel_of({7.1 * kGiB, 7.4 * kGiB}), 4)),
            (std::vector<std::string>{"7.1 GiB", "7.2 GiB", "7.3 GiB", "7.4 GiB"}));
  EXPECT_EQ(labels(scale_of(panel_of({3, 12}, Unit::Count), 4)), (std::vector<std::string>{"0", "5", "10", "15"}));
  for (const std::vector<double>& odd : {std::vector<double>{}, {kNothing}, {0, 0}, {5, 5}, {-3, -3}, {1e18, 1e18}, {-7, 1e12}}) {
    Scale scale = scale_of(panel_of(odd), 5);
    EXPECT_LT(scale.low, scale.high);
    EXPECT_GE(scale.ticks.size(), 2U);
    EXPECT_LE(scale.ticks.size(), 12U);
  }
}

TEST(Chart, TicksOfTimeAreRoundOnes_MidnightIsADay) {
  auto ticks = time_ticks(1'700'000'000, 1'700'000'000 + 86'400, 8);
  std::vector<std::string> text;
  for (const TimeTick& tick : ticks) text.push_back(tick.label);
  EXPECT_EQ(text, (std::vector<std::string>{"11-15", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"}));
  EXPECT_EQ(time_ticks(1'700'000'000, 1'700'000'010, 4)[0].label, "22:13:20");
  EXPECT_LE(time_ticks(0, 1e10, 8).size(), 9U);
  EXPECT_LE(time_ticks(5, 5, 8).size(), 1U);
}

}  // namespace
}  // namespace orphan::plot
