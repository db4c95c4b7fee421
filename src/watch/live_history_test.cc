// SPDX-License-Identifier: Apache-2.0
#include "watch/live_history.h"

#include <gtest/gtest.h>

#include <vector>

#include "watch/store.h"
#include "watch/temporary_directory.h"
#include "watch/trend_synthetic.h"

namespace orphan::watch {
namespace {

using Event = LiveTrends::Event;

constexpr i64 kFiveMinutesMs = 300'000;
constexpr i64 kMiB = 1 << 20;

// A cache that grows by a MiB a sample, one that does not, and a process that grows as fast until it ends; stored, or looked at,
// or both.
class Machine {
 public:
  explicit Machine(i64 process_ends) : process_ends_(process_ends) {}

  void store(i64 samples, const std::string& boot_id = "one") {
    auto store = Store::open(path(), {.boot_id = boot_id, .host = "board", .release = "6.1", .page_bytes = 4096}, {});
    ASSERT_TRUE(store) << store.error().text();
    for (i64 i = 0; i < samples; ++i) {
      for (const Reading& reading : readings()) store->add(reading);
      ASSERT_TRUE(store->end({.wall_ms = now_ms_, .boot_ms = now_ms_, .awake_ms = now_ms_}));
      now_ms_ += kFiveMinutesMs;
    }
  }
  // How many samples it takes until something is told.
  i64 watch(i64 most_samples) {
    for (i64 i = 0; i < most_samples; ++i) {
      for (const Reading& reading : readings()) trends.add(reading);
      changes = trends.end(now_ms_);
      now_ms_ += kFiveMinutesMs;
      if (!changes.empty()) return i;
    }
    return most_samples;
  }
  void recall(const std::string& boot_id = "one") {
    auto samples = Samples::open(path());
    ASSERT_TRUE(samples) << samples.error().text();
    ASSERT_TRUE(recall_samples(trends, *samples, boot_id));
  }

  LiveTrends trends{{.min_bytes_a_day = kMiB}};
  std::vector<LiveTrends::Change> changes;  // of the last sample
  bool grows = true;

 private:
  std::string path() const { return files_.path("watch.db"); }
  std::vector<Reading> readings() {
    auto noise = [&] { return static_cast<i64>(1e5 * synthesizer_.normal()); };
    if (grows) grown_ += kMiB;
    std::vector<Reading> all = {
        {.kind = Kind::Memory, .unit = Unit::Bytes, .name = {}, .field = "MemAvailable", .value = 8000 * kMiB + noise()},
        {.kind = Kind::Slab,
         .unit = Unit::Bytes,
         .scale = 1024,
         .name = "kmalloc-64",
         .field = "bytes",
         .value = (grown_ + noise()) / 1024},
        {.kind = Kind::Slab, .unit = Unit::Bytes, .name = "filp", .field = "bytes", .value = 10 * kMiB + noise()}};
    if (++sampled_ <= process_ends_)
      all.push_back(
          {.kind = Kind::Process, .unit = Unit::Bytes, .name = "leaky 7 70", .field = "rss", .value = grown_ + noise()});
    return all;
  }

  TemporaryDirectory files_;
  Synthesizer synthesizer_{7};
  i64 now_ms_ = 500'000, grown_ = 50 * kMiB, sampled_ = 0, process_ends_;
};

TEST(RecallSamples, WhatLeaksIsKnownAtOnce_WithItsRate_WhatIsGoneIsNot) {
  Machine machine(100);
  machine.store(300);
  machine.recall();
  ASSERT_EQ(machine.trends.leaks().size(), 1U);
  const TrendRow& row = machine.trends.leaks().begin()->second;
  EXPECT_EQ(row.series.name, "kmalloc-64");
  EXPECT_NEAR(row.trend.rate, 12.0 * kMiB, 0.5 * kMiB);
  ASSERT_TRUE(row.exhaustion);
  EXPECT_NEAR(row.exhaustion->likely_h, 8000.0 / 12, 60);
}

TEST(RecallSamples, ItIsTheSameLeakAfterwards_AndItsEndIsTold) {
  Machine machine(300);
  machine.store(250);
  machine.recall();
  ASSERT_EQ(machine.trends.leaks().size(), 2U);
  // The process ends fifty samples later, and some more have to be without it.
  EXPECT_EQ(machine.watch(100), 53);
  ASSERT_EQ(machine.changes.size(), 1U);
  EXPECT_EQ(machine.changes[0].event, Event::Vanished);
  machine.grows = false;
  EXPECT_LT(machine.watch(4000), 4000);
  ASSERT_EQ(machine.changes.size(), 1U);
  EXPECT_EQ(machine.changes[0].event, Event::Stopped);
  EXPECT_EQ(machine.changes[0].row.series.name, "kmalloc-64");
}

TEST(RecallSamples, FewSamplesCountToo) {
  Machine fresh(0), goes_on(0);
  goes_on.store(20);
  goes_on.recall();
  EXPECT_TRUE(goes_on.trends.leaks().empty());
  EXPECT_GE(fresh.watch(100), 23);
  EXPECT_LT(goes_on.watch(100), 10);
  EXPECT_EQ(goes_on.changes[0].row.series.name, "kmalloc-64");
}

TEST(RecallSamples, AnotherBootIsAnotherMachine) {
  Machine machine(0);
  machine.store(100, "one");
  machine.recall("two");
  EXPECT_TRUE(machine.trends.leaks().empty());
  machine.store(5, "two");
  machine.recall("two");
  EXPECT_TRUE(machine.trends.leaks().empty());
  EXPECT_GE(machine.watch(100), 18);
}

TEST(RecallSamples, AFileWithoutSamplesHasNoLeaks) {
  Machine machine(0);
  machine.store(0);
  machine.recall();
  EXPECT_TRUE(machine.trends.leaks().empty());
  EXPECT_GE(machine.watch(100), 23);
}

}  // namespace
}  // namespace orphan::watch
