// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_causes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace orphan::watch {
namespace {

constexpr std::size_t kSamples = 100;

std::vector<double> times() {
  std::vector<double> result;
  for (std::size_t i = 0; i < kSamples; ++i) result.push_back(static_cast<double>(i) / 12);
  return result;
}

// A line from the sample `first` on.
TrendInput input(Kind kind, std::string name, std::string field, double rate, u32 first = 0) {
  TrendInput result;
  result.series.kind = kind;
  result.series.name = std::move(name);
  result.series.field = std::move(field);
  result.series.unit = Unit::Bytes;
  const std::vector<double> time_h = times();
  for (u32 i = first; i < kSamples; ++i) {
    result.at.push_back(i);
    result.values.push_back(1e9 + rate * time_h[i] + 1e3 * std::sin(i));
  }
  return result;
}

TrendInput line(std::string field, double rate) {
  return input(Kind::Memory, "", std::move(field), rate);
}

TEST(Causes, ExplainedAndUnexplainedAddUpToTheFall) {
  std::vector<TrendInput> inputs{line("MemAvailable", -100e6), line("MemFree", -300e6), line("SUnreclaim", 60e6),
                                 line("AnonPages", 30e6), line("Cached", 200e6)};
  inputs.push_back(input(Kind::Slab, "kmalloc-4k", "bytes", 58e6));
  inputs.push_back(input(Kind::Slab, "kmalloc-8", "bytes", -1e6));
  inputs.push_back(input(Kind::Process, "eater 12 34", "rss", 29e6));
  Fall fall = explain_fall(times(), inputs, 5);
  EXPECT_EQ(fall.of, "MemAvailable");
  EXPECT_NEAR(fall.rate, 100e6, 1e4);
  EXPECT_NEAR(fall.kernel, 60e6, 1e4);
  EXPECT_NEAR(fall.user, 30e6, 1e4);
  EXPECT_NEAR(fall.explained + fall.unexplained, fall.rate, 1);
  ASSERT_EQ(fall.parts.size(), 2U);  // what is available although it is used is no part
  EXPECT_EQ(fall.parts[0].name, "slab caches");
  ASSERT_EQ(fall.parts[0].parts.size(), 1U);
  EXPECT_EQ(fall.parts[0].parts[0].name, "kmalloc-4k");
  EXPECT_NEAR(fall.parts[0].parts[0].rate + fall.parts[0].rest, fall.parts[0].rate, 1);
  EXPECT_EQ(fall.parts[1].parts[0].name, "eater 12 34");
}

TEST(Causes, WithoutMemAvailableThePageCacheCounts) {
  std::vector<TrendInput> inputs{line("MemFree", -300e6), line("Cached", 210e6), line("Shmem", 10e6)};
  Fall fall = explain_fall(times(), inputs, 5);
  EXPECT_EQ(fall.of, "MemFree");
  ASSERT_EQ(fall.parts.size(), 2U);
  EXPECT_EQ(fall.parts[0].name, "page cache");
  EXPECT_NEAR(fall.parts[0].rate, 200e6, 1e4);  // shared memory is listed by itself
  EXPECT_NEAR(fall.unexplained, 90e6, 1e4);
}

TEST(Causes, WhatBeganLaterTookItsMemoryThen) {
  std::vector<TrendInput> inputs{line("MemAvailable", -100e6), line("AnonPages", 100e6)};
  inputs.push_back(input(Kind::Process, "late 1 2", "rss", 0, kSamples / 2));
  Fall fall = explain_fall(times(), inputs, 5);
  ASSERT_EQ(fall.parts[0].parts.size(), 1U);
  EXPECT_GT(fall.parts[0].parts[0].rate, 1e8);
}

TEST(Causes, HalfADailyCycleAtTheEndIsNoFall) {
  std::vector<double> time_h;
  for (std::size_t i = 0; i < 60; ++i) time_h.push_back(static_cast<double>(i));
  TrendInput free;
  free.series.field = "MemAvailable";
  for (u32 i = 0; i < 60; ++i) {
    free.at.push_back(i);
    free.values.push_back(1e9 - 1e6 * i - 1e8 * std::sin(i / 24.0 * 2 * std::numbers::pi));
  }
  EXPECT_NEAR(explain_fall(time_h, std::vector{free}, 5).rate, 1e6, 1);
}

TEST(Causes, CachesThatShrinkOnDemandAreNoPartOfWhatDoesNot) {
  std::vector<TrendInput> inputs{line("MemFree", -9e6), line("SUnreclaim", 5e6), line("SReclaimable", 4e6)};
  inputs.push_back(input(Kind::Slab, "dentry", "bytes", 4e6));
  inputs.push_back(input(Kind::Slab, "kmalloc-64", "bytes", 5e6));
  Fall fall = explain_fall(times(), inputs, 5);
  ASSERT_EQ(fall.parts.size(), 2U);
  EXPECT_EQ(fall.parts[0].parts[0].name, "kmalloc-64");
  EXPECT_EQ(fall.parts[1].parts[0].name, "dentry");
}

TEST(Causes, StacksThatAreMappedCountOnce) {
  std::vector<TrendInput> inputs{line("MemAvailable", -5e6), line("VmallocUsed", 5e6), line("KernelStack", 5e6)};
  EXPECT_NEAR(explain_fall(times(), inputs, 5).explained, 10e6, 1e4);
  inputs.push_back(input(Kind::Vmalloc, "dup_task_struct", "bytes", 5e6));
  EXPECT_NEAR(explain_fall(times(), inputs, 5).explained, 5e6, 1e4);
}

TEST(Causes, WithoutFreeMemoryInTheSamplesThereIsNoFall) {
  std::vector<TrendInput> inputs{line("AnonPages", 5e6)};
  EXPECT_TRUE(explain_fall(times(), inputs, 5).of.empty());
}

}  // namespace
}  // namespace orphan::watch
