// SPDX-License-Identifier: Apache-2.0
#include "watch/store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <optional>
#include <random>

#include "watch/samples.h"
#include "watch/temporary_directory.h"

namespace orphan::watch {
namespace {

constexpr i64 kStart = 1'700'000'000'000, kStep = 300'000;

Origin boot(std::string id) {
  return {.boot_id = std::move(id), .host = "host", .release = "6.1", .page_bytes = 4096};
}

Store open(const TemporaryDirectory& directory, const std::string& boot_id = "one", const StoreOptions& options = {}) {
  auto store = Store::open(directory.path("watch.db"), boot(boot_id), options);
  EXPECT_TRUE(store) << (store ? "" : store.error().text());
  VERIFY(bool(store));
  return std::move(*store);
}

Samples read(const TemporaryDirectory& directory) {
  auto samples = Samples::open(directory.path("watch.db"));
  EXPECT_TRUE(samples) << (samples ? "" : samples.error().text());
  VERIFY(bool(samples));
  return std::move(*samples);
}

Stamp at(i64 number, i64 boot_started = kStart) {
  return {boot_started + number * kStep, number * kStep, number * kStep};
}

void add(Store& store, std::string_view name, i64 value, Kind kind = Kind::Slab) {
  store.add({.kind = kind, .unit = Unit::Bytes, .scale = 1024, .name = name, .field = "bytes", .value = value});
}

Values values_of(Samples& samples, std::string_view name) {
  for (const Series& series : samples.series()) {
    if (series.name != name) continue;
    u32 id[] = {series.id};
    auto values = samples.read(id);
    EXPECT_TRUE(values);
    return (*values)[0];
  }
  ADD_FAILURE() << "there is no series " << name;
  return {};
}

TEST(Store, WhatIsStoredIsReadBackInItsUnit) {
  TemporaryDirectory directory;
  Store store = open(directory);
  for (i64 i = 0; i < 5; ++i) {
    add(store, "dentry", 100 + i);
    if (i != 2) add(store, "inode", -i);
    EXPECT_TRUE(store.end(at(i)));
  }
  Samples samples = read(directory);
  ASSERT_EQ(samples.times().size(), 5U);
  EXPECT_EQ(samples.times()[4].time_ms, kStart + 4 * kStep);
  EXPECT_EQ(samples.series()[0].kind, Kind::Slab);
  EXPECT_EQ(samples.series()[0].unit, Unit::Bytes);
  EXPECT_FALSE(samples.series()[0].boot);
  EXPECT_EQ(values_of(samples, "dentry").values[4], 104 * 1024);
  EXPECT_EQ(values_of(samples, "inode").at, (std::vector<u32>{0, 1, 3, 4}));
  EXPECT_EQ(values_of(samples, "inode").values, (std::vector<i64>{0, -1024, -3072, -4096}));
}

TEST(Store, AFinishedSegmentHoldsWhatItsFramesHeld) {
  TemporaryDirectory directory;
  Store store = open(directory, "one", {.segment_ms = 3 * kStep});
  for (i64 i = 0; i < 10; ++i) {
    add(store, "dentry", i * i);
    EXPECT_TRUE(store.end(at(i)));
  }
  EXPECT_EQ(store.unexported()->size(), 3U);
  EXPECT_TRUE(store.finish());
  EXPECT_EQ(*store.database().ask("SELECT count(*) FROM frames"), 0);
  Samples samples = read(directory);
  Values values = values_of(samples, "dentry");
  ASSERT_EQ(values.at.size(), 10U);
  for (i64 i = 0; i < 10; ++i) EXPECT_EQ(values.values[static_cast<std::size_t>(i)], i * i * 1024);
}

TEST(Store, AnotherStartOfTheSameBootGoesOnInTheSameSegment) {
  TemporaryDirectory directory;
  for (i64 i = 0; i < 3; ++i) {
    Store store = open(directory);
    EXPECT_EQ(store.has(Kind::Slab, "dentry"), i != 0);
    add(store, "dentry", i);
    EXPECT_TRUE(store.end(at(i)));
  }
  Store store = open(directory);
  EXPECT_EQ(*store.database().ask("SELECT count(*) FROM segments"), 1);
  EXPECT_EQ(*store.database().ask("SELECT count(*) FROM boots"), 1);
  Samples samples = read(directory);
  EXPECT_EQ(values_of(samples, "dentry").values, (std::vector<i64>{0, 1024, 2048}));
  for (const SampleTime& time : samples.times()) EXPECT_TRUE(time.is_start);
}

TEST(Store, AnotherBootIsAnotherSegment_AndItsProcessesAreOthers) {
  TemporaryDirectory directory;
  for (const char* id : {"one", "two"}) {
    Store store = open(directory, id);
    for (i64 i = 0; i < 2; ++i) {
      add(store, "dentry", i);
      add(store, "init 1 7", i, Kind::Process);
      EXPECT_TRUE(store.end(at(i, id == std::string("one") ? kStart : kStart + 100 * kStep)));
    }
  }
  Samples samples = read(directory);
  ASSERT_EQ(samples.boots().size(), 2U);
  EXPECT_EQ(samples.boots()[1].boot_id, "two");
  EXPECT_EQ(samples.times()[1].boot, 0U);
  EXPECT_EQ(samples.times()[2].boot, 1U);
  EXPECT_TRUE(samples.times()[2].is_start);
  EXPECT_FALSE(samples.times()[3].is_start);
  EXPECT_EQ(values_of(samples, "dentry").values.size(), 4U);
  std::vector<std::optional<u32>> boots;
  for (const Series& series : samples.series()) {
    if (series.kind == Kind::Process) boots.push_back(series.boot);
  }
  EXPECT_EQ(boots, (std::vector<std::optional<u32>>{0, 1}));
}

TEST(Store, AClockThatIsSetLeavesNoStepInTheTimes) {
  TemporaryDirectory directory;
  Store store = open(directory);
  constexpr i64 kWrong = 1'000'000;  // in 1970, until the network is up
  for (i64 i = 0; i < 6; ++i) {
    Stamp stamp = at(i, i < 3 ? kWrong : kStart);
    add(store, "dentry", i);
    EXPECT_TRUE(store.end(stamp));
  }
  Samples samples = read(directory);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(samples.times()[i].time_ms, kStart + static_cast<i64>(i) * kStep);
  EXPECT_EQ(samples.times()[0].stamp.wall_ms, kWrong);
}

TEST(Store, ASecondWriterIsTurnedAway_AndAReaderIsNot) {
  TemporaryDirectory directory;
  Store store = open(directory);
  add(store, "dentry", 1);
  EXPECT_TRUE(store.end(at(0)));
  auto second = Store::open(directory.path("watch.db"), boot("one"), {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("another orphan watch"), std::string::npos) << second.error().text();
  EXPECT_EQ(read(directory).times().size(), 1U);
}

TEST(Store, AReaderSeesOneStateWhileTheWriterGoesOn) {
  TemporaryDirectory directory;
  Store store = open(directory, "one", {.segment_ms = 2 * kStep});
  add(store, "dentry", 1);
  EXPECT_TRUE(store.end(at(0)));
  Samples samples = read(directory);
  for (i64 i = 1; i < 9; ++i) {
    add(store, "dentry", i);
    EXPECT_TRUE(store.end(at(i)));
  }
  EXPECT_EQ(values_of(samples, "dentry").values.size(), 1U);
  EXPECT_EQ(read(directory).times().size(), 9U);
}

TEST(Store, WhatAnotherProgramWroteIsNotTouched) {
  TemporaryDirectory directory;
  directory.write("watch.db", "these are my notes, and no database at all, however long they may be");
  auto store = Store::open(directory.path("watch.db"), boot("one"), {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), ErrorCode::BadData);
  EXPECT_EQ(directory.read("watch.db").substr(0, 5), "these");
}

// The writer is killed in the middle of whatever it does, many times.
TEST(Store, EverySampleThatWasCommittedIsThereAfterAKill) {
  TemporaryDirectory directory;
  i64 committed = 0;
  for (int round = 0; round < 8; ++round) {
    int done[2];
    ASSERT_EQ(::pipe(done), 0);
    pid_t child = ::fork();
    if (child == 0) {
      auto store = Store::open(directory.path("watch.db"), boot("one"), {.segment_ms = 5 * kStep});
      for (i64 i = committed; store && i < committed + 1000; ++i) {
        for (i64 series = 0; series < 50; ++series) add(*store, std::to_string(series), i + series);
        if (store->end(at(i))) (void)!::write(done[1], "x", 1);
      }
      ::_exit(1);
    }
    ::close(done[1]);
    char byte = 0;
    for (int i = 0; i < 7 + round && ::read(done[0], &byte, 1) == 1; ++i) ++committed;
    ::kill(child, SIGKILL);
    while (::read(done[0], &byte, 1) == 1) ++committed;
    ::close(done[0]);
    ::waitpid(child, nullptr, 0);
    Samples samples = read(directory);
    // The last one may have been committed and not been told of.
    i64 found = static_cast<i64>(samples.times().size());
    ASSERT_GE(found, committed);
    ASSERT_LE(found, committed + 1);
    committed = found;
    Values values = values_of(samples, "49");
    for (std::size_t i = 0; i < values.values.size(); ++i) ASSERT_EQ(values.values[i], (static_cast<i64>(i) + 49) * 1024);
  }
}

// Where no file may grow, as when the disk is full.
class NoRoom {
 public:
  explicit NoRoom(u64 bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
  }
  ~NoRoom() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_ = nullptr;
};

TEST(Store, SamplesWaitWhileTheDiskIsFull) {
  TemporaryDirectory directory;
  Store store = open(directory);
  auto sample = [&](i64 i) {
    for (i64 series = 0; series < 200; ++series)
      add(store, fmt::format("{}-{}", series, series < 100 ? 0 : i), i * series * 12345);
    return store.end(at(i));
  };
  EXPECT_TRUE(sample(0));
  {
    NoRoom full(4096);
    for (i64 i = 1; i < 20; ++i) EXPECT_FALSE(sample(i));
    EXPECT_EQ(store.waiting(), 19U);
  }
  EXPECT_TRUE(sample(20));
  EXPECT_EQ(store.waiting(), 0U);
  EXPECT_EQ(store.lost(), 0U);
  Samples samples = read(directory);
  EXPECT_EQ(samples.times().size(), 21U);
  EXPECT_EQ(values_of(samples, "7-0").values.size(), 21U);
  EXPECT_EQ(values_of(samples, "150-19").values, (std::vector<i64>{i64{19} * 150 * 12345 * 1024}));
}

TEST(Store, WhatWaitsIsBounded_AndWhatIsLostIsCounted) {
  TemporaryDirectory directory;
  Store store = open(directory);
  std::mt19937_64 random(1);
  auto sample = [&](i64 i) {
    for (i64 series = 0; series < 20'000; ++series) add(store, std::to_string(series), static_cast<i64>(random()));
    return store.end(at(i));
  };
  EXPECT_TRUE(sample(0));
  {
    NoRoom full(4096);
    for (i64 i = 1; i < 40; ++i) EXPECT_FALSE(sample(i));
  }
  EXPECT_GT(store.waiting(), 10U);
  EXPECT_GT(store.lost(), 10U);
  EXPECT_TRUE(sample(40));
  EXPECT_EQ(read(directory).times().size() + store.lost(), 41U);
}

TEST(Store, WhatIsTooLargeIsThinned_TheOldestMost_AndNothingIsCutOff) {
  TemporaryDirectory directory;
  constexpr u64 kMost = 400'000;
  constexpr i64 kSamples = 4000;
  Store store = open(directory, "one", {.segment_ms = 50 * kStep, .samples_a_commit = 25, .max_bytes = kMost});
  std::mt19937 random(3);
  for (i64 i = 0; i < kSamples; ++i) {
    for (i64 series = 0; series < 60; ++series) add(store, std::to_string(series), static_cast<i64>(random() % 100'000));
    add(store, "line", i);
    EXPECT_TRUE(store.end(at(i)));
    EXPECT_TRUE(store.make_room(at(i).wall_ms));
  }
  EXPECT_FALSE(store.is_too_large());
  EXPECT_LE(*used_bytes(store.database()), kMost);
  Samples samples = read(directory);
  EXPECT_EQ(samples.times().front().stamp, at(0));
  EXPECT_EQ(samples.times().back().stamp, at(kSamples - 1));
  // What is left of a line is a line.
  Values line = values_of(samples, "line");
  ASSERT_EQ(line.at.size(), samples.times().size());
  for (std::size_t i = 0; i < line.at.size(); ++i)
    EXPECT_EQ(line.values[i] / 1024 * kStep, samples.times()[line.at[i]].stamp.boot_ms);
  std::vector<u64> quarters(4);
  for (const SampleTime& time : samples.times())
    ++quarters[static_cast<std::size_t>(time.stamp.boot_ms / (kSamples * kStep / 4))];
  for (std::size_t i = 1; i < 4; ++i) EXPECT_GE(quarters[i], quarters[i - 1]) << i;
  EXPECT_GT(quarters[3], 4 * quarters[0]);
  EXPECT_GT(quarters[0], 5U);
}

// 288 samples of a machine with 1,000 processes and 300 caches, more busy than most.
TEST(Store, ADayOfALargeMachineTakesLessThanTwentyMegabytes) {
  TemporaryDirectory directory;
  Store store = open(directory, "one", {.samples_a_commit = 12});
  std::mt19937 random(5);
  std::vector<i64> values(8000);
  for (i64& value : values) value = static_cast<i64>(random() % 1'000'000);
  for (i64 i = 0; i < 288; ++i) {
    for (std::size_t series = 0; series < values.size(); ++series) {
      // A third moves with every sample, a third now and then, a third hardly ever; and processes come and go.
      u32 often = series % 3 == 0 ? 1 : series % 3 == 1 ? 10 : 100;
      if (random() % often == 0) values[series] += static_cast<i64>(random() % 2001) - 1000;
      bool is_process = series >= 3000;
      std::string name = std::to_string(series);
      if (is_process && series % 10 == 0) name += fmt::format(" {}", i / (1 + static_cast<i64>(series) % 50));
      add(store, name, values[series], is_process ? Kind::Process : Kind::Slab);
    }
    ASSERT_TRUE(store.end(at(i)));
  }
  EXPECT_LE(*used_bytes(store.database()), 20U << 20);
  RecordProperty("bytes", std::to_string(*used_bytes(store.database())));
}

}  // namespace
}  // namespace orphan::watch
