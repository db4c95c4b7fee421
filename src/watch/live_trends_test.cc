// SPDX-License-Identifier: Apache-2.0
#include "watch/live_trends.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "watch/trend_synthetic.h"

namespace orphan::watch {
namespace {

using Event = LiveTrends::Event;

constexpr i64 kFiveMinutesMs = 300'000;
constexpr i64 kMiB = 1 << 20;

// Two caches, a process and what is available, sampled every five minutes.
class Machine {
 public:
  void sample(i64 dentry, std::optional<i64> process = std::nullopt) {
    auto noise = [&] { return static_cast<i64>(1e5 * synthesizer_.normal()); };
    trends.add({.kind = Kind::Memory, .unit = Unit::Bytes, .name = {}, .field = "MemAvailable", .value = 8000 * kMiB + noise()});
    trends.add({.kind = Kind::Slab, .unit = Unit::Bytes, .name = "kmalloc-64", .field = "bytes", .value = dentry + noise()});
    trends.add({.kind = Kind::Slab, .unit = Unit::Bytes, .name = "filp", .field = "bytes", .value = 10 * kMiB + noise()});
    trends.add({.kind = Kind::Slab, .unit = Unit::Count, .name = "filp", .field = "objects", .value = dentry});  // is not judged
    if (process)
      trends.add({.kind = Kind::Process, .unit = Unit::Bytes, .name = "leaky 7 70", .field = "rss", .value = *process + noise()});
    for (LiveTrends::Change& change : trends.end(now_ms_)) changes.push_back(std::move(change));
    now_ms_ += kFiveMinutesMs;
  }

  LiveTrends trends{{.min_bytes_a_day = kMiB}};
  std::vector<LiveTrends::Change> changes;

 private:
  i64 now_ms_ = 500'000;
  Synthesizer synthesizer_{7};
};

TEST(LiveTrends, ALeakIsToldOnce_WithItsRate_AndNothingElse) {
  Machine machine;
  for (i64 i = 0; i < 300; ++i) machine.sample(50 * kMiB + i * kMiB);  // 12 MiB an hour
  ASSERT_EQ(machine.changes.size(), 1U);
  const LiveTrends::Change& change = machine.changes[0];
  EXPECT_EQ(change.event, Event::Grows);
  EXPECT_EQ(change.row.series.name, "kmalloc-64");
  EXPECT_NEAR(change.row.trend.rate, 12.0 * kMiB, 0.5 * kMiB);
  std::string line = to_line(change);
  EXPECT_TRUE(line.starts_with("slab kmalloc-64 grows by 1")) << line;
  EXPECT_NE(line.find("MiB/h ("), std::string::npos) << line;
  EXPECT_NE(line.find("; what is available would last "), std::string::npos) << line;
  ASSERT_EQ(machine.trends.leaks().size(), 1U);
}

TEST(LiveTrends, ThatItIsOverIsTold) {
  Machine machine;
  for (i64 i = 0; i < 2500; ++i) machine.sample(50 * kMiB + std::min<i64>(i, 200) * kMiB);
  ASSERT_EQ(machine.changes.size(), 2U);
  EXPECT_EQ(machine.changes[1].event, Event::Stopped);
  EXPECT_EQ(to_line(machine.changes[1]), "slab kmalloc-64 does not grow any more");
  EXPECT_TRUE(machine.trends.leaks().empty());
}

TEST(LiveTrends, ALeakThatIsNotThereAnyMoreIsTold_AfterAFewSamplesWithoutIt) {
  Machine machine;
  for (i64 i = 0; i < 100; ++i) machine.sample(50 * kMiB, 20 * kMiB + i * kMiB);
  ASSERT_EQ(machine.changes.size(), 1U);
  EXPECT_EQ(machine.changes[0].row.series.kind, Kind::Process);
  // Missed for a moment, it is the same leak.
  machine.sample(50 * kMiB);
  machine.sample(50 * kMiB, 121 * kMiB);
  EXPECT_EQ(machine.changes.size(), 1U);
  for (int i = 0; i < 5; ++i) machine.sample(50 * kMiB);
  ASSERT_EQ(machine.changes.size(), 2U);
  EXPECT_EQ(machine.changes[1].event, Event::Vanished);
  EXPECT_EQ(to_line(machine.changes[1]), "process leaky 7 70 rss grew, and is not there any more");
}

TEST(LiveTrends, TheFirstOfTwoReadingsCounts) {
  LiveTrends trends({.min_bytes_a_day = kMiB});
  std::vector<LiveTrends::Change> changes;
  for (i64 i = 0; i < 100; ++i) {
    for (i64 value : {i64{5} * kMiB, i * kMiB})
      trends.add({.kind = Kind::Slab, .unit = Unit::Bytes, .name = "x", .field = "bytes", .value = value});
    for (auto& change : trends.end(i * kFiveMinutesMs)) changes.push_back(std::move(change));
  }
  EXPECT_TRUE(changes.empty());
}

TEST(LiveTrends, AnAlarmIsJsonWithTheSeries_WhateverItsNameIs) {
  LiveTrends::Change change{
      .event = Event::Grows,
      .row = row_of({.kind = Kind::Process, .name = "a\"b\xff\n 7 70", .field = "rss", .unit = Unit::Bytes, .boot = std::nullopt},
                    {.verdict = Verdict::Growing, .rate = 1024.0 * 1024}, 1e9)};
  auto json = nlohmann::json::parse(to_json(change, "board", 1'700'000'000'000));
  EXPECT_EQ(json["event"], "grows");
  EXPECT_EQ(json["host"], "board");
  EXPECT_EQ(json["time"], 1'700'000'000'000);
  EXPECT_EQ(json["series"]["kind"], "process");
  EXPECT_EQ(json["series"]["per_hour"]["rate"], 1024.0 * 1024);
  EXPECT_EQ(json["text"].get<std::string>().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace orphan::watch
