// SPDX-License-Identifier: Apache-2.0
#include "watch/watch_metrics.h"

#include <gtest/gtest.h>

#include <optional>

namespace orphan::watch {
namespace {

std::optional<double> value(const std::vector<metrics::Metric>& all, std::string_view name, std::string_view label = "") {
  for (const metrics::Metric& metric : all) {
    if (metric.name != name) continue;
    for (const metrics::MetricSample& sample : metric.samples) {
      if (sample.label == label) return sample.value;
    }
  }
  return std::nullopt;
}

TEST(WatchMetrics, ASampleIsFigures_InTheUnitOfTheirNames) {
  WatchMetrics figures;
  figures.add({.kind = Kind::Memory, .unit = Unit::Bytes, .scale = 1024, .field = "MemFree", .value = 5});
  figures.add({.kind = Kind::Memory, .unit = Unit::Count, .field = "HugePages_Total", .value = 3});
  figures.add({.kind = Kind::Slab, .unit = Unit::Bytes, .scale = 4096, .name = "dentry", .field = "bytes", .value = 2});
  figures.add({.kind = Kind::Slab, .unit = Unit::Count, .name = "dentry", .field = "objects", .value = 9});
  figures.add({.kind = Kind::Process, .unit = Unit::Bytes, .scale = 4096, .name = "my app 12 3456", .field = "rss", .value = 1});
  LiveTrends trends({});
  auto all = figures.take(trends, {.samples = 7, .lost = 1, .waiting_alarms = 2, .wall_ms = 1'700'000'000'500});
  EXPECT_EQ(value(all, "orphan_watch_memory_bytes", "MemFree"), 5120);
  EXPECT_EQ(value(all, "orphan_watch_memory_bytes", "HugePages_Total"), std::nullopt);
  EXPECT_EQ(value(all, "orphan_watch_slab_bytes", "dentry"), 8192);
  EXPECT_EQ(value(all, "orphan_watch_process_rss_bytes", "my app 12"), 4096);
  EXPECT_EQ(value(all, "orphan_watch_leaks"), 0);
  EXPECT_EQ(value(all, "orphan_watch_samples_total"), 7);
  EXPECT_EQ(value(all, "orphan_watch_lost_samples_total"), 1);
  EXPECT_EQ(value(all, "orphan_watch_alarms_waiting"), 2);
  EXPECT_EQ(value(all, "orphan_watch_last_sample_timestamp_seconds"), 1'700'000'000.5);
  // What is not in the next sample is not in its figures.
  all = figures.take(trends, {});
  EXPECT_EQ(value(all, "orphan_watch_slab_bytes", "dentry"), std::nullopt);
}

TEST(WatchMetrics, OfAThousandCachesThereAreFewLabels) {
  WatchMetrics figures;
  for (int i = 1; i <= 1000; ++i) {
    std::string name = "cache-" + std::to_string(i);
    figures.add({.kind = Kind::Slab, .unit = Unit::Bytes, .name = name, .field = "bytes", .value = i});
  }
  auto all = figures.take(LiveTrends({}), {});
  EXPECT_EQ(all[0].samples.size(), 31U);
  EXPECT_EQ(value(all, "orphan_watch_slab_bytes", "cache-1000"), 1000);
  EXPECT_EQ(value(all, "orphan_watch_slab_bytes", "other"), 970 * 971 / 2);
}

TEST(WatchMetrics, WhatLeaksHasItsRate) {
  LiveTrends trends({});
  for (i64 i = 0; i < 60; ++i) {
    trends.add({.kind = Kind::Vmalloc, .unit = Unit::Bytes, .name = "leaky", .field = "bytes", .value = i << 20});
    trends.end(i * 300'000);
  }
  auto all = WatchMetrics().take(trends, {});
  auto rate = value(all, "orphan_watch_growth_bytes_per_hour", "vmalloc leaky");
  ASSERT_TRUE(rate);
  EXPECT_NEAR(*rate, 12.0 * (1 << 20), 1);
  EXPECT_EQ(value(all, "orphan_watch_leaks"), 1);
}

}  // namespace
}  // namespace orphan::watch
