// SPDX-License-Identifier: Apache-2.0
#include "serve/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>

namespace orphan::serve {
namespace {

std::string text(std::span<const LeakedAmount> amounts) {
  std::string text;
  for (const LeakedAmount& a : amounts) text += a.label + " " + std::to_string(a.objects) + " " + std::to_string(a.bytes) + "\n";
  return text;
}

TEST(Metrics, TheLargestAreNamedAndTheRestIsSummed) {
  std::vector<LeakedAmount> amounts{{"a", 1, 10}, {"b", 2, 30}, {"c", 9, 10}, {"d", 4, 20}, {"b", 1, 1}, {"e", 1, 10}};
  EXPECT_EQ(text(largest(amounts, 3)), "b 3 31\nd 4 20\nc 9 10\nother 2 20\n");
  EXPECT_EQ(text(largest(amounts, 5)), "b 3 31\nd 4 20\nc 9 10\na 1 10\ne 1 10\nother 0 0\n");
  EXPECT_EQ(text(largest(amounts, 0)), "other 18 81\n");
}

TEST(Metrics, OtherIsAlwaysThereAndOnce) {
  EXPECT_EQ(text(largest({}, 3)), "other 0 0\n");
  std::vector<LeakedAmount> amounts{{"other", 1, 100}, {"a", 1, 1}};
  EXPECT_EQ(text(largest(amounts, 3)), "a 1 1\nother 1 100\n");
}

TEST(Metrics, ALabelIsPrintable_AndTwoThatBecomeOneAreOne) {
  std::vector<LeakedAmount> amounts{{"a\xff", 1, 1}, {"a\n", 2, 2}, {"q\"\\", 3, 1}};
  EXPECT_EQ(text(largest(amounts, 3)), "a? 3 3\nq\"\\ 3 1\nother 0 0\n");
}

TEST(Metrics, AStackIsItsInnermostTwoFunctions) {
  EXPECT_EQ(stack_label({}), "unknown");
  EXPECT_EQ(stack_label(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(stack_label(std::vector<std::string>{"a", "b", "c"}), "a < b");
}

// How a metric of this name stands there: its label=value pairs.
std::vector<std::string> samples(const MetricsFigures& figures, std::string_view name) {
  std::vector<std::string> found;
  for (const metrics::Metric& metric : metrics_of(figures)) {
    if (metric.name != name) continue;
    for (const metrics::MetricSample& sample : metric.samples) {
      std::string label = metric.label_name.empty() ? "" : std::string(metric.label_name) + "=" + sample.label + " ";
      found.push_back(label + std::to_string(static_cast<u64>(sample.value)));
    }
  }
  return found;
}

TEST(Metrics, EachFigureHasItsName) {
  using Samples = std::vector<std::string>;
  MetricsFigures figures{
      .caches = {{"dentry", 2, 384}},
      .stacks = {{"a < b", 3, 96}},
      .cleared = 4,
      .suspects_total = 5,
      .scans_total = 6,
      .is_off = true,
      .last_scan =
          MetricsFigures::Scan{
              .end_unix_s = 7, .duration_s = 8, .blocks = 9, .bytes = 10, .incomplete_parts = 11, .unread_bytes = 12},
      .tracker = MetricsFigures::Tracker{.events = 13, .lost = 14, .replaced = 15}};
  EXPECT_EQ(samples(figures, "orphan_leaked_objects"), (Samples{"cache=dentry 2", "cache=other 0"}));
  EXPECT_EQ(samples(figures, "orphan_leaked_bytes"), (Samples{"cache=dentry 384", "cache=other 0"}));
  EXPECT_EQ(samples(figures, "orphan_leaked_stack_objects"), (Samples{"stack=a < b 3", "stack=other 0"}));
  EXPECT_EQ(samples(figures, "orphan_leaked_stack_bytes"), (Samples{"stack=a < b 96", "stack=other 0"}));
  EXPECT_EQ(samples(figures, "orphan_cleared_objects"), Samples{"4"});
  EXPECT_EQ(samples(figures, "orphan_suspects_total"), Samples{"5"});
  EXPECT_EQ(samples(figures, "orphan_scans_total"), Samples{"6"});
  EXPECT_EQ(samples(figures, "orphan_off"), Samples{"1"});
  EXPECT_EQ(samples(figures, "orphan_scan_timestamp_seconds"), Samples{"7"});
  EXPECT_EQ(samples(figures, "orphan_scan_duration_seconds"), Samples{"8"});
  EXPECT_EQ(samples(figures, "orphan_scan_examined_blocks"), Samples{"9"});
  EXPECT_EQ(samples(figures, "orphan_scan_examined_bytes"), Samples{"10"});
  EXPECT_EQ(samples(figures, "orphan_scan_incomplete_parts"), Samples{"11"});
  EXPECT_EQ(samples(figures, "orphan_scan_unread_bytes"), Samples{"12"});
  EXPECT_EQ(samples(figures, "orphan_tracked_allocations_total"), Samples{"13"});
  EXPECT_EQ(samples(figures, "orphan_tracker_lost_total"), Samples{"14"});
  EXPECT_EQ(samples(figures, "orphan_tracker_replaced_total"), Samples{"15"});
}

TEST(Metrics, WhatIsNotKnownIsNotThere) {
  for (const metrics::Metric& metric : metrics_of({})) {
    EXPECT_FALSE(metric.name.starts_with("orphan_scan_")) << metric.name;
    EXPECT_FALSE(metric.name.starts_with("orphan_track")) << metric.name;
  }
  EXPECT_EQ(samples({}, "orphan_off"), std::vector<std::string>{"0"});
}

TEST(Metrics, LabelsAreBounded) {
  MetricsFigures figures;
  for (u64 i = 0; i < 1000; ++i) {
    figures.caches.push_back({std::to_string(i), 1, i});
    figures.stacks.push_back({std::to_string(i), 1, i});
  }
  EXPECT_EQ(samples(figures, "orphan_leaked_objects").size(), kMostCaches + 1);
  EXPECT_EQ(samples(figures, "orphan_leaked_stack_objects").size(), kMostStacks + 1);
}

TEST(Metrics, NamesAreAsPrometheusWantsThem) {
  std::set<std::string_view> names;
  for (const metrics::Metric& metric : metrics_of({.last_scan = MetricsFigures::Scan(), .tracker = MetricsFigures::Tracker()})) {
    std::string name(metric.name);
    EXPECT_TRUE(std::regex_match(name, std::regex("orphan_[a-z]+(_[a-z]+)*"))) << name;
    EXPECT_EQ(name.ends_with("_total"), metric.is_counter) << name;
    EXPECT_TRUE(metric.help.ends_with('.')) << name;
    EXPECT_TRUE(names.insert(metric.name).second) << name << " is there twice";
  }
  EXPECT_EQ(names.size(), 17U);
}

}  // namespace
}  // namespace orphan::serve
