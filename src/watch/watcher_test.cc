// SPDX-License-Identifier: Apache-2.0
#include "watch/watcher.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "watch/samples.h"
#include "watch/segment_file.h"
#include "watch/temporary_directory.h"

namespace orphan::watch {
namespace {

// A machine of files, and a clock that goes on when somebody waits.
class Rig {
 public:
  Rig() {
    boot("11111111-aaaa");
    set_free(1000);
    options.sampler = {.root = files.path("root"), .interval_s = 300};
    options.path = files.path("watch.db");
  }
  void boot(const std::string& id) const {
    files.write("root/proc/sys/kernel/random/boot_id", id + "\n");
    files.write("root/proc/sys/kernel/hostname", "board\n");
  }
  void set_free(i64 kb) const { files.write("root/proc/meminfo", fmt::format("MemFree: {} kB\n", kb)); }

  void set_available(i64 kb) const { files.write("root/proc/meminfo", fmt::format("MemAvailable: {} kB\n", kb)); }
  std::string read(const std::string& name) const {
    std::ifstream file(files.path(name));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  Result<void> run(u64 samples) {
    options.samples = samples;
    return watch(options, {.is_stopped = [this] { return is_stopped; },
                           .wait =
                               [this](double seconds) {
                                 now.wall_ms += static_cast<i64>(seconds * 1000);
                                 now.boot_ms += static_cast<i64>(seconds * 1000);
                                 now.awake_ms += static_cast<i64>(seconds * 1000);
                                 if (on_wait) on_wait();
                               },
                           .notice = [this](const std::string& text) { notices.push_back(text); },
                           .progress = [](const std::string&) {},
                           .publish = publish,
                           .now = [this] { return now; }});
  }
  Samples samples() const {
    auto samples = Samples::open(options.path);
    EXPECT_TRUE(samples) << (samples ? "" : samples.error().text());
    VERIFY(bool(samples));
    return std::move(*samples);
  }
  std::vector<std::string> spool() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(files.path("spool"))) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }
  u64 notices_with(std::string_view part) const {
    return static_cast<u64>(
        std::ranges::count_if(notices, [&](const std::string& text) { return text.find(part) != std::string::npos; }));
  }

  TemporaryDirectory files;
  WatchOptions options;
  Stamp now{1'700'000'000'000, 1'000'000, 900'000};
  bool is_stopped = false;
  std::function<void()> on_wait;
  std::function<void(const std::vector<metrics::Metric>&)> publish;
  std::vector<std::string> notices;
};

TEST(Watch, SamplesAreTakenAtEvenDistances_AndWhatIsMissingIsToldOnce) {
  Rig rig;
  ASSERT_TRUE(rig.run(5));
  Samples samples = rig.samples();
  ASSERT_EQ(samples.times().size(), 5U);
  for (i64 i = 0; i < 5; ++i) EXPECT_EQ(samples.times()[static_cast<std::size_t>(i)].stamp.boot_ms, 1'000'000 + i * 300'000);
  EXPECT_EQ(samples.boots()[0].host, "board");
  EXPECT_EQ(rig.notices_with("not sampled"), 1U);
}

TEST(Watch, AfterASuspendThereIsOneSample_AndTheClocksShowIt) {
  Rig rig;
  bool has_slept = false;
  rig.on_wait = [&] {
    if (rig.now.boot_ms < 1'500'000 || std::exchange(has_slept, true)) return;
    rig.now.wall_ms += 3'600'000;
    rig.now.boot_ms += 3'600'000;
  };
  ASSERT_TRUE(rig.run(4));
  Samples samples = rig.samples();
  std::vector<i64> asleep;
  for (const SampleTime& time : samples.times()) asleep.push_back(time.stamp.boot_ms - time.stamp.awake_ms);
  EXPECT_EQ(asleep, (std::vector<i64>{100'000, 100'000, 3'700'000, 3'700'000}));
  EXPECT_LE(samples.times()[3].stamp.boot_ms - samples.times()[2].stamp.boot_ms, 300'000);
}

TEST(Watch, AClockThatIsSetBackChangesNeitherDistancesNorOrder) {
  Rig rig;
  bool is_set = false;
  rig.on_wait = [&] {
    if (rig.now.boot_ms < 1'500'000 || std::exchange(is_set, true)) return;
    rig.now.wall_ms -= 86'400'000;
  };
  ASSERT_TRUE(rig.run(4));
  Samples samples = rig.samples();
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(samples.times()[i].time_ms - samples.times()[i - 1].time_ms, 300'000);
  EXPECT_LT(samples.times()[3].stamp.wall_ms, samples.times()[0].stamp.wall_ms);
}

TEST(Watch, AfterARebootTheSameFileHasAnotherBoot) {
  Rig rig;
  ASSERT_TRUE(rig.run(2));
  rig.boot("22222222-bbbb");
  rig.now.boot_ms = rig.now.awake_ms = 5'000;
  rig.now.wall_ms += 60'000;
  ASSERT_TRUE(rig.run(2));
  Samples samples = rig.samples();
  ASSERT_EQ(samples.boots().size(), 2U);
  EXPECT_EQ(samples.times()[1].boot, 0U);
  EXPECT_EQ(samples.times()[2].boot, 1U);
  EXPECT_GT(samples.times()[2].time_ms, samples.times()[1].time_ms);
}

TEST(Watch, ASegmentIsExportedOnce_WhenItIsFinished) {
  Rig rig;
  rig.options.store.segment_ms = 900'000;
  rig.options.export_directory = rig.files.path("spool");
  ASSERT_TRUE(rig.run(8));
  ASSERT_EQ(rig.spool().size(), 2U);
  auto first = read_segment(rig.files.path("spool/" + rig.spool()[0]));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->stamps.size(), 3U);
  for (const std::string& name : rig.spool()) std::filesystem::remove(rig.files.path("spool/" + name));
  // Another start exports what is finished since, and nothing again.
  rig.now.boot_ms += 300'000;
  ASSERT_TRUE(rig.run(2));
  ASSERT_EQ(rig.spool().size(), 1U);
  EXPECT_EQ(read_segment(rig.files.path("spool/" + rig.spool()[0]))->stamps.size(), 3U);
}

TEST(Watch, WhatCannotBeExportedIsToldOnce_AndExportedWhenItCan) {
  Rig rig;
  rig.options.store.segment_ms = 300'000;
  rig.options.export_directory = rig.files.path("spool");
  rig.on_wait = [&] {
    // The directory is away for some time, as a mount may be.
    std::string spool = rig.files.path("spool"), away = rig.files.path("away");
    std::error_code ignored;
    if (rig.now.boot_ms > 1'900'000 && rig.now.boot_ms < 2'800'000) std::filesystem::rename(spool, away, ignored);
    if (rig.now.boot_ms >= 2'800'000) std::filesystem::rename(away, spool, ignored);
  };
  ASSERT_TRUE(rig.run(8));
  EXPECT_EQ(rig.notices_with("cannot write a segment"), 1U);
  EXPECT_EQ(rig.notices_with("exported again"), 1U);
  EXPECT_EQ(rig.spool().size(), 7U);
}

TEST(Watch, UploadsGoOnBesideTheSamples_AndEachFileArrivesOnce) {
  Rig rig;
  rig.options.store.segment_ms = 300'000;
  rig.options.export_directory = rig.files.path("spool");
  std::filesystem::create_directories(rig.files.path("server"));
  // A server that is away every other time.
  rig.options.upload = fmt::format(
      "echo x >>{0}/tries; test $(($(wc -l <{0}/tries) % 2)) = 0 && cp -n {{}} {0}/server/ && basename {{}} >>{0}/got",
      rig.files.path());
  rig.on_wait = [] {
    timespec nap{0, 300'000};
    ::nanosleep(&nap, nullptr);
  };
  ASSERT_TRUE(rig.run(8));
  // What is left is uploaded by the next start.
  rig.now.boot_ms += 300'000;
  ASSERT_TRUE(rig.run(4));
  std::string got = rig.files.read("got");
  u64 lines = static_cast<u64>(std::ranges::count(got, '\n'));
  u64 arrived = 0;
  for (const auto& entry : std::filesystem::directory_iterator(rig.files.path("server"))) arrived += entry.is_regular_file();
  EXPECT_EQ(arrived, lines);
  EXPECT_GE(arrived, 5U);
  EXPECT_EQ(arrived + rig.spool().size(), 11U);
}

TEST(Watch, ItEndsWhenItIsTold_AndDoesNotBeginWithoutABoot) {
  Rig rig;
  rig.on_wait = [&] { rig.is_stopped = rig.now.boot_ms > 2'000'000; };
  ASSERT_TRUE(rig.run(0));
  EXPECT_EQ(rig.samples().times().size(), 4U);
  rig.boot("");
  EXPECT_FALSE(rig.run(1));
}

TEST(Watch, WhatBeginsToLeakIsToldOnce_HandedToTheCommand_AndPublished) {
  Rig rig;
  rig.options.sampler.interval_s = 30;
  rig.options.alarm = "cat >> " + rig.files.path("alarms");
  rig.options.trends.min_bytes_a_day = 1 << 20;
  i64 used_kb = 0;
  rig.on_wait = [&] { rig.set_available(8'000'000 - ++used_kb); };  // KiB a second
  std::vector<metrics::Metric> figures;
  rig.publish = [&](const std::vector<metrics::Metric>& now) { figures = now; };
  ASSERT_TRUE(rig.run(100));
  EXPECT_EQ(rig.notices_with("MemAvailable becomes less by"), 1U);
  EXPECT_EQ(rig.read("alarms").find("\"event\": \"grows\""), rig.read("alarms").rfind("\"event\": \"grows\""));
  EXPECT_NE(rig.read("alarms").find("\"host\": \"board\""), std::string::npos) << rig.read("alarms");
  auto leaks = std::ranges::find(figures, "orphan_watch_leaks", &metrics::Metric::name);
  ASSERT_NE(leaks, figures.end());
  EXPECT_EQ(leaks->samples.at(0).value, 1);
  // Started again, it knows what leaks, and tells it once more.
  rig.now.boot_ms += 60'000;
  ASSERT_TRUE(rig.run(20));
  EXPECT_EQ(rig.notices_with("MemAvailable becomes less by"), 2U);
  leaks = std::ranges::find(figures, "orphan_watch_leaks", &metrics::Metric::name);
  EXPECT_EQ(leaks->samples.at(0).value, 1);
}

}  // namespace
}  // namespace orphan::watch
