// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "watch/trend_synthetic.h"

namespace orphan::watch {
namespace {

constexpr std::size_t kSamples = 150;

std::vector<double> times() {
  std::vector<double> result;
  for (std::size_t i = 0; i < kSamples; ++i) result.push_back(static_cast<double>(i) / 12);
  return result;
}

class Machine {
 public:
  void add(Kind kind, const std::string& name, const std::string& field, double start, double rate, Unit unit = Unit::Bytes) {
    TrendInput input;
    input.series.kind = kind;
    input.series.name = name;
    input.series.field = field;
    input.series.unit = unit;
    const std::vector<double> time_h = times();
    for (u32 i = 0; i < kSamples; ++i) {
      input.at.push_back(i);
      input.values.push_back(std::round(start + rate * time_h[i] + (unit == Unit::Bytes ? 1e5 * synthesizer_.normal() : 0)));
    }
    inputs_.push_back(std::move(input));
  }

  TrendReport report(const TrendChoice& choice = {}) const {
    TrendReport report;
    report.host = "host";
    report.samples = kSamples;
    report.choice = choice;
    judge_all(report, times(), inputs_);
    return report;
  }

 private:
  Synthesizer synthesizer_{1};
  std::vector<TrendInput> inputs_;
};

Machine quiet() {
  Machine machine;
  machine.add(Kind::Memory, "", "MemTotal", 8e9, 0);
  machine.add(Kind::Memory, "", "MemAvailable", 4e9, 0);
  machine.add(Kind::Slab, "kmalloc-4k", "bytes", 1e8, 0);
  return machine;
}

Machine leaky() {
  Machine machine;
  machine.add(Kind::Memory, "", "MemTotal", 8e9, 0);
  machine.add(Kind::Memory, "", "MemAvailable", 4e9, -1e8);
  machine.add(Kind::Memory, "", "MemFree", 3e9, -1.2e8);
  machine.add(Kind::Memory, "", "SUnreclaim", 2e8, 1e8);
  machine.add(Kind::Slab, "kmalloc-4k", "bytes", 1e8, 9.9e7);
  machine.add(Kind::Slab, "dentry", "bytes", 1e8, 5e6);
  machine.add(Kind::Process, "sh 1 2", "files", 10, 6, Unit::Count);
  machine.add(Kind::Pressure, "memory", "some", 0, 1e6, Unit::Microseconds);
  return machine;
}

const TrendRow* row_of(const TrendReport& report, std::string_view name, std::string_view field) {
  const auto found = std::ranges::find_if(
      report.rows, [&](const TrendRow& row) { return row.series.name == name && row.series.field == field; });
  return found == report.rows.end() ? nullptr : &*found;
}

TEST(TrendReport, ALeakIsNamedWithItsRate_AndWhenNothingIsLeft) {
  TrendReport report = leaky().report();
  EXPECT_TRUE(has_leak(report));
  const TrendRow* cache = row_of(report, "kmalloc-4k", "bytes");
  ASSERT_NE(cache, nullptr);
  EXPECT_TRUE(cache->is_leak());
  EXPECT_NEAR(cache->trend.rate, 9.9e7, 1e5);
  const TrendRow* free = row_of(report, "", "MemAvailable");
  ASSERT_TRUE(free != nullptr && free->exhaustion);
  EXPECT_EQ(free, &report.rows[0]);
  EXPECT_NEAR(free->exhaustion->likely_h, (4e9 - 1e8 * 149 / 12) / 1e8, 0.5);
  EXPECT_LE(free->exhaustion->soonest_h, free->exhaustion->likely_h);
  EXPECT_LE(free->exhaustion->likely_h, free->exhaustion->latest_h);
  EXPECT_NEAR(report.fall.kernel, 1e8, 1e5);
}

TEST(TrendReport, CountsLeakToo_CachesOfFilesDoNot_AndNobodyAsksAboutPressure) {
  TrendReport report = leaky().report();
  const TrendRow* files = row_of(report, "sh 1 2", "files");
  ASSERT_NE(files, nullptr);
  EXPECT_TRUE(files->is_leak());
  EXPECT_FALSE(files->exhaustion);
  const TrendRow* dentries = row_of(report, "dentry", "bytes");
  ASSERT_NE(dentries, nullptr);
  EXPECT_EQ(dentries->trend.verdict, Verdict::Growing);
  EXPECT_FALSE(dentries->is_leak());
  EXPECT_FALSE(row_of(report, "", "MemFree")->is_leak());
  EXPECT_EQ(row_of(report, "memory", "some"), nullptr);
}

TEST(TrendReport, OnAQuietMachineNothingLeaks) {
  TrendReport report = quiet().report();
  EXPECT_FALSE(has_leak(report));
  EXPECT_TRUE(has_verdict(report));
  EXPECT_NE(to_text(report, 10).find("Nothing grows that should not"), std::string::npos);
}

TEST(TrendReport, WhatIsSlowerThanAskedForIsNoLeak) {
  TrendReport report = leaky().report({.min_bytes_a_day = 1e10});
  EXPECT_FALSE(row_of(report, "kmalloc-4k", "bytes")->is_leak());
}

TEST(TrendReport, WithoutSamplesThereIsNoVerdict) {
  TrendReport report;
  judge_all(report, {}, {});
  EXPECT_FALSE(has_verdict(report));
  EXPECT_NE(to_text(report, 10).find("not enough data for any verdict"), std::string::npos);
}

TEST(TrendReport, TheTableComesFirstAndTheWordsAfterIt) {
  std::string text = to_text(leaky().report(), 10);
  std::size_t table = text.find("slab kmalloc-4k"), fall = text.find("unexplained"), words = text.find("What grows most is");
  ASSERT_NE(words, std::string::npos);
  EXPECT_LT(table, fall);
  EXPECT_LT(fall, words);
  EXPECT_NE(text.find("100 % went to accounts of the kernel"), std::string::npos);
  EXPECT_NE(to_text(leaky().report(), 1).find("more: --top shows them"), std::string::npos);
}

TEST(TrendReport, JsonHasAllSeriesAndAddsUp) {
  auto json = nlohmann::json::parse(to_json(leaky().report()));
  EXPECT_EQ(json["series"].size(), 6U);
  EXPECT_TRUE(json["leaks"].get<bool>());
  double sum = json["fall"]["explained"].get<double>() + json["fall"]["unexplained"].get<double>();
  EXPECT_NEAR(sum, json["fall"]["per_hour"].get<double>(), 1);
  EXPECT_EQ(json["series"][0]["field"], "MemAvailable");
  EXPECT_GT(json["series"][0]["exhausted_in_hours"]["likely"].get<double>(), 0);
}

}  // namespace
}  // namespace orphan::watch
