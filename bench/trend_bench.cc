// SPDX-License-Identifier: Apache-2.0
// How often trends are judged rightly, on series of which the truth is known: how many leaks are found in just as much time as
// the best observer needs (src/watch/trend_synthetic.h), and how many series that do not leak make an alarm; for each kind of
// series, and for some thresholds. Prints the tables of docs/trend.md.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <vector>

#include "watch/trend.h"
#include "watch/trend_synthetic.h"

namespace orphan::watch {
namespace {

constexpr std::array kMemories{0.0, 0.5, 0.8, 0.9};
constexpr std::array kThresholds{2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0};
constexpr std::size_t kDefault = 2;  // of them
// What is asked of the default.
constexpr double kLeastFound = 0.99, kMostFalse = 0.005;

struct Row {
  Shape shape = Shape::Plain;
  bool is_asked = true;  // of it
  std::size_t series = 0;
  std::array<std::size_t, kThresholds.size()> alarms{};
  std::size_t covered = 0;
  double error = 0;  // of rates, relative, added up
};

void judge(Row& row, Synthesizer& synthesizer, const Recipe& recipe) {
  SyntheticSeries series = synthesizer.make(recipe);
  Trend trend = find_trend(series.time_h, series.values);
  ++row.series;
  bool may_alarm = trend.verdict != Verdict::Sawtooth && trend.rate > 0;
  for (std::size_t i = 0; i < kThresholds.size(); ++i) row.alarms[i] += may_alarm && trend.score >= kThresholds[i];
  if (recipe.rate <= 0) return;
  row.covered += trend.rate_low <= recipe.rate && recipe.rate <= trend.rate_high;
  row.error += std::abs(trend.rate / recipe.rate - 1);
}

double share(std::size_t part, std::size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

Row total(const std::vector<Row>& rows) {
  Row sum;
  for (const Row& row : rows) {
    if (!row.is_asked) continue;
    sum.series += row.series;
    sum.covered += row.covered;
    sum.error += row.error;
    for (std::size_t i = 0; i < row.alarms.size(); ++i) sum.alarms[i] += row.alarms[i];
  }
  return sum;
}

std::vector<Row> run(std::size_t each, bool leaks) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < kShapeWords.size(); ++i) {
    Row row{.shape = static_cast<Shape>(i)};
    bool is_leak = row.shape != Shape::Sawtooth && row.shape != Shape::Walk;
    if (leaks ? !is_leak : row.shape == Shape::Late) continue;
    // A walk has no theory, and of a leak that begins late or in a warm-up nobody has asked.
    row.is_asked = leaks ? row.shape != Shape::Late && row.shape != Shape::WarmUp : row.shape != Shape::Walk;
    for (std::size_t m = 0; m < kMemories.size(); ++m) {
      Synthesizer synthesizer(1000 * i + 10 * m + (leaks ? 1 : 0));
      for (std::size_t n = 0; n < each; ++n) {
        judge(row, synthesizer,
              leaks ? draw_leak(synthesizer, row.shape, kMemories[m]) : draw_harmless(synthesizer, row.shape, kMemories[m], n));
      }
    }
    rows.push_back(row);
  }
  return rows;
}

void print(const std::vector<Row>& rows, bool leaks) {
  fmt::print("\n{:<14} {:>7} {:>9}{}\n", leaks ? "LEAKS" : "NO LEAKS", "SERIES", leaks ? "FOUND" : "ALARMS",
             leaks ? "  RATE WRONG BY  IN ITS INTERVAL" : "");
  for (const Row& row : rows) {
    fmt::print("{:<14} {:>7} {:>8.2f}%", kShapeWords[static_cast<std::size_t>(row.shape)], row.series,
               100 * share(row.alarms[kDefault], row.series));
    if (leaks) {
      fmt::print(" {:>13.1f}% {:>15.1f}%", 100 * row.error / static_cast<double>(row.series),
                 100 * share(row.covered, row.series));
    }
    fmt::print("{}\n", row.is_asked ? "" : "  (not in the sums)");
  }
}

int compare(std::size_t each) {
  auto started = std::chrono::steady_clock::now();
  const std::vector<Row> leaks = run(each, true), harmless = run(each, false);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  print(leaks, true);
  print(harmless, false);
  Row found = total(leaks), alarms = total(harmless);
  fmt::print("\n{:>9} {:>12} {:>13}\n", "THRESHOLD", "LEAKS FOUND", "FALSE ALARMS");
  for (std::size_t i = 0; i < kThresholds.size(); ++i) {
    fmt::print("{:>9.1f} {:>11.2f}% {:>12.2f}%{}\n", kThresholds[i], 100 * share(found.alarms[i], found.series),
               100 * share(alarms.alarms[i], alarms.series), i == kDefault ? "  (the default)" : "");
  }
  bool is_met =
      share(found.alarms[kDefault], found.series) >= kLeastFound && share(alarms.alarms[kDefault], alarms.series) <= kMostFalse;
  fmt::print("\n{} leaks, {} others, {:.0f} s. At least {}% found, at most {}% false: {}\n", found.series, alarms.series, seconds,
             100 * kLeastFound, 100 * kMostFalse, is_met ? "pass" : "FAIL");
  return is_met ? 0 : 1;
}

}  // namespace
}  // namespace orphan::watch

int main(int argc, char** argv) {
  std::size_t each = 150;  // series of each kind and memory
  std::string_view text = argc > 1 ? argv[1] : "150";
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), each);
  if (argc > 2 || error != std::errc() || stop != text.data() + text.size() || each == 0) {
    fmt::print(stderr, "usage: trend_bench [SERIES]\n");
    return 2;
  }
  return orphan::watch::compare(each);
}
