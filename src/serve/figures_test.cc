// SPDX-License-Identifier: Apache-2.0
#include "serve/figures.h"

#include <gtest/gtest.h>

#include "report/sample_report.h"

namespace orphan::serve {
namespace {

TEST(Figures, AReportIsCountedByCacheAndByStack_WithWhatWasNotSeen) {
  Report report = test::sample_report();
  Status status{
      .scans = 4, .cleared = 7, .new_in_all = 110, .tracking = track::TrackCounts{.events = 9, .lost = 1, .missed_runs = 2}};
  MetricsFigures figures = figures_of(&report, status);
  ASSERT_EQ(figures.caches.size(), 3U);
  EXPECT_EQ(figures.caches[0].label, "kmalloc-128");
  EXPECT_EQ(figures.caches[0].objects, 100U);
  EXPECT_EQ(figures.caches[0].bytes, 12'800U);
  EXPECT_EQ(figures.stacks[0].label, "widget_probe < do_one_initcall");
  EXPECT_EQ(figures.stacks[1].label, "widget_ring_alloc");  // not what was inlined there
  EXPECT_EQ(figures.cleared, 7U);
  EXPECT_EQ(figures.suspects_total, 110U);
  EXPECT_EQ(figures.scans_total, 4U);
  ASSERT_TRUE(figures.last_scan);
  EXPECT_EQ(figures.last_scan->end_unix_s, 1'700'000'012);
  EXPECT_EQ(figures.last_scan->blocks, 1'234'769U);
  EXPECT_EQ(figures.last_scan->incomplete_parts, 2U);
  EXPECT_EQ(figures.last_scan->unread_bytes, 12'288U);
  ASSERT_TRUE(figures.tracker);
  EXPECT_EQ(figures.tracker->lost, 3U);
}

TEST(Figures, BeforeTheFirstScanThereIsNone) {
  MetricsFigures figures = figures_of(nullptr, {.settings = {.is_off = true}});
  EXPECT_FALSE(figures.last_scan);
  EXPECT_FALSE(figures.tracker);
  EXPECT_TRUE(figures.caches.empty());
  EXPECT_TRUE(figures.is_off);
}

}  // namespace
}  // namespace orphan::serve
