// SPDX-License-Identifier: Apache-2.0
#include "watch/import.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "watch/samples.h"
#include "watch/segment_file.h"
#include "watch/store.h"
#include "watch/temporary_directory.h"

namespace orphan::watch {
namespace {

class Import {
 public:
  Result<Imported> run(const std::vector<std::string>& names) {
    std::vector<std::string> files;
    for (const std::string& name : names) files.push_back(directory.path(name));
    return import_files(directory.path("out.db"), files, [&](const std::string& text) { notices.push_back(text); });
  }
  Samples samples() const {
    auto samples = Samples::open(directory.path("out.db"));
    EXPECT_TRUE(samples) << (samples ? "" : samples.error().text());
    VERIFY(bool(samples));
    return std::move(*samples);
  }
  bool is_told(const std::string& part) const {
    for (const std::string& notice : notices) {
      if (notice.find(part) != std::string::npos) return true;
    }
    return false;
  }

  TemporaryDirectory directory;
  std::vector<std::string> notices;
};

Values values_of(Samples& samples, const std::string& name, const std::string& field) {
  for (const Series& series : samples.series()) {
    if (series.name != name || series.field != field) continue;
    u32 id[] = {series.id};
    auto values = samples.read(id);
    EXPECT_TRUE(values);
    return (*values)[0];
  }
  return {};
}

// As a script on a 32-bit board writes it: 2.6, with highmem.
std::string old_sample(int minute, int objects) {
  return fmt::format(
      "====================\n"
      "Thu Jan  1 00:{:02}:00 UTC 1970\n"
      "# cat /proc/meminfo\n"
      "MemTotal:       255744 kB\nMemFree:      {} kB\nHighTotal:      131072 kB\nHighFree:         1024 kB\n"
      "LowTotal:       124672 kB\nLowFree:      {} kB\n"
      "# cat /proc/slabinfo\n"
      "slabinfo - version: 2.1\n"
      "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit>\n"
      "size-4096  {} {} 4096 1 1 : tunables 24 12 0 : slabdata {} {} 0\n"
      "  PID  Uid     VmSize Stat Command\n"
      "    1 root        484 S   init\n"
      "   77 root       {} S   /usr/bin/leaker -x\n"
      "\n",
      minute, 100'000 - objects * 4, 50'000 - objects * 4, objects, objects, objects, objects, 1000 + minute);
}

TEST(Import, ALogOfABoardBecomesSeries) {
  Import import;
  std::string log;
  for (int minute = 0; minute < 30; minute += 5) log += old_sample(minute, 10 + minute);
  import.directory.write("log", log);
  auto imported = import.run({"log"});
  ASSERT_TRUE(imported) << imported.error().text();
  EXPECT_EQ(imported->samples, 6U);
  EXPECT_EQ(imported->junk, 0U) << import.notices.front();
  Samples samples = import.samples();
  ASSERT_EQ(samples.times().size(), 6U);
  EXPECT_EQ(samples.times()[5].time_ms, 25 * 60'000);
  EXPECT_EQ(values_of(samples, "", "LowFree").values[2], (50'000 - 20 * 4) * 1024);
  EXPECT_EQ(values_of(samples, "size-4096", "active_objects").values, (std::vector<i64>{10, 15, 20, 25, 30, 35}));
  EXPECT_EQ(values_of(samples, "size-4096", "bytes").values[0], 10 * 4096);
  EXPECT_EQ(values_of(samples, "leaker 77 -", "virtual").values[1], 1005 * 1024);
}

TEST(Import, SlabinfoOfLinuxTwoPointFourIsRead) {
  Import import;
  import.directory.write(
      "log", "1000000000\nslabinfo - version: 1.1 (SMP)\nkmem_cache 80 80 244 5 6 1 : 252 126\nsize-64 8 9 64 1 2 1\n");
  EXPECT_EQ(import.run({"log"})->junk, 0U);
  Samples samples = import.samples();
  EXPECT_EQ(values_of(samples, "kmem_cache", "slabs").values, (std::vector<i64>{6}));
  EXPECT_EQ(values_of(samples, "size-64", "objects").values, (std::vector<i64>{9}));
}

TEST(Import, JunkIsToldWithFileAndLine_AndTheRestIsRead) {
  Import import;
  import.directory.write("log", "MemFree: 1 kB\n2026-11-27 06:00:00\nMemFree: 2 kB\nwhat is this?\nMemFree: 3 kB\n\x01\x02zz\n");
  auto imported = import.run({"log"});
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported->junk, 4U);
  EXPECT_TRUE(import.is_told("log:1: no date"));
  EXPECT_TRUE(import.is_told("log:4: not understood: what is this?"));
  EXPECT_TRUE(import.is_told("log:5: the same again"));
  EXPECT_TRUE(import.is_told("log:6: not understood: ??zz"));
  Samples samples = import.samples();
  EXPECT_EQ(values_of(samples, "", "MemFree").values, (std::vector<i64>{2048}));
}

TEST(Import, MuchJunkIsCounted) {
  Import import;
  std::string log = "2026-11-27 06:00:00\nMemFree: 2 kB\n";
  for (int i = 0; i < 500; ++i) log += "nonsense\n";
  import.directory.write("log", log);
  EXPECT_EQ(import.run({"log"})->junk, 500U);
  EXPECT_EQ(import.notices.size(), 11U);
  EXPECT_TRUE(import.is_told("500 lines"));
}

TEST(Import, RotatedLogsAreReadInTheOrderOfTheirTimes) {
  Import import;
  import.directory.write("log", "2026-11-27 08:00:00\nMemFree: 3 kB\n2026-11-27 09:00:00\n");
  import.directory.write("log.1", "2026-11-27 06:00:00\nMemFree: 1 kB\n2026-11-27 07:00:00\nMemFree: 2 kB\n");
  ASSERT_TRUE(import.run({"log", "log.1"}));
  Samples samples = import.samples();
  EXPECT_EQ(values_of(samples, "", "MemFree").values, (std::vector<i64>{1024, 2048, 3072}));
  EXPECT_EQ(samples.boots().size(), 1U);
}

TEST(Import, ADateThatGoesBackIsAnotherBoot_UnlessTheUptimeGoesOn) {
  Import import;
  import.directory.write("log", "2026-11-27 08:00:00\nMemFree: 1 kB\nThu Jan  1 00:00:10 UTC 1970\nMemFree: 2 kB\n");
  ASSERT_TRUE(import.run({"log"}));
  EXPECT_EQ(import.samples().boots().size(), 2U);
  Import other;
  other.directory.write("log",
                        "2026-11-27 08:00:00\nMemFree: 1 kB\n100.00 90.00\n2026-11-27 07:00:00\nMemFree: 2 kB\n400.00 90.00\n"
                        "2026-11-27 07:05:00\n5.00 4.00\nMemFree: 3 kB\n");
  ASSERT_TRUE(other.run({"log"}));
  Samples samples = other.samples();
  ASSERT_EQ(samples.boots().size(), 2U);
  EXPECT_EQ(samples.times()[1].boot, 0U);
  EXPECT_EQ(samples.times()[1].time_ms - samples.times()[0].time_ms, 300'000);
  EXPECT_EQ(samples.times()[2].boot, 1U);
}

TEST(Import, ALogWithoutDatesIsTurnedDown_AsIsAFileThatIsThereAlready) {
  Import import;
  import.directory.write("log", "MemFree: 2 kB\n");
  auto dateless = import.run({"log"});
  ASSERT_FALSE(dateless);
  EXPECT_NE(dateless.error().text().find("no line of it is a date"), std::string::npos);
  import.directory.write("out.db", "x");
  EXPECT_EQ(import.run({"log"}).error().code(), ErrorCode::Usage);
}

// A store with finished segments of two boots, as another machine has it, and the names of its files.
std::vector<std::string> exported(const TemporaryDirectory& directory) {
  std::vector<std::string> names;
  for (const char* boot : {"aaaaaaaa-1", "bbbbbbbb-2"}) {
    auto store =
        Store::open(directory.path("in.db"), {.boot_id = boot, .host = "a host/x", .release = "6.1"}, {.segment_ms = 3000});
    EXPECT_TRUE(store);
    i64 start = boot[0] == 'a' ? 1'700'000'000'000 : 1'700'000'100'000;
    for (i64 i = 0; i < 8; ++i) {
      store->add({.kind = Kind::Slab, .unit = Unit::Bytes, .scale = 4096, .name = "dentry \"\xff", .field = "bytes", .value = i});
      if (i % 2 == 0) store->add({.kind = Kind::Process, .name = "init 1 3", .field = "threads", .value = i});
      EXPECT_TRUE(store->end({start + i * 1000, i * 1000, i * 900}));
    }
    EXPECT_TRUE(store->finish());
    auto segments = store->unexported();
    EXPECT_TRUE(segments);
    for (i64 segment : *segments) {
      auto name = write_segment(store->database(), segment, directory.path());
      EXPECT_TRUE(name) << name.error().text();
      EXPECT_TRUE(store->mark_exported(segment));
      names.push_back(*name);
    }
    EXPECT_TRUE(store->unexported()->empty());
  }
  return names;
}

TEST(SegmentFile, HoldsWhatTheSegmentHeld_UnderANameThatSortsByTime) {
  TemporaryDirectory directory;
  std::vector<std::string> names = exported(directory);
  ASSERT_EQ(names.size(), 6U);
  EXPECT_EQ(names[0], "a_host_x-20231114T221320Z-aaaaaaaa-1.jsonl.zst");
  EXPECT_TRUE(std::ranges::is_sorted(names));
  auto file = read_segment(directory.path(names[1]));
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->origin.host, "a host/x");
  EXPECT_EQ(file->origin.boot_id, "aaaaaaaa-1");
  ASSERT_EQ(file->stamps.size(), 3U);
  EXPECT_EQ(file->stamps[0], (Stamp{1'700'000'003'000, 3000, 2700}));
  ASSERT_EQ(file->series.size(), 2U);
  EXPECT_EQ(file->series[0].values[2], 5 * 4096);
  EXPECT_EQ(file->series[1].name, "init 1 3");
  EXPECT_EQ(file->series[1].values, (std::vector<std::optional<i64>>{std::nullopt, 4, std::nullopt}));
}

TEST(SegmentFile, OneThatIsCutAnywhereIsDamage) {
  TemporaryDirectory directory;
  std::string whole = directory.read(exported(directory)[0]);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    directory.write("cut", whole.substr(0, size));
    auto file = read_segment(directory.path("cut"));
    ASSERT_FALSE(file) << size;
    EXPECT_EQ(file.error().code(), ErrorCode::BadData);
  }
}

TEST(Import, SegmentsOfAnotherMachineComeTogether_EachOnce) {
  Import import;
  std::vector<std::string> names = exported(import.directory);
  std::swap(names[0], names[4]);
  names.push_back(names[1]);
  auto imported = import.run(names);
  ASSERT_TRUE(imported) << imported.error().text();
  EXPECT_EQ(imported->samples, 16U);
  Samples samples = import.samples();
  ASSERT_EQ(samples.boots().size(), 2U);
  EXPECT_EQ(samples.boots()[0].boot_id, "aaaaaaaa-1");
  EXPECT_EQ(samples.boots()[0].host, "a host/x");
  EXPECT_EQ(samples.times()[8].boot, 1U);
  u32 processes = 0;
  for (const Series& series : samples.series()) {
    if (series.kind == Kind::Process) {
      EXPECT_EQ(series.boot, processes++);
    }
  }
  EXPECT_EQ(processes, 2U);
}

}  // namespace
}  // namespace orphan::watch
