// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace orphan::logs {
namespace {

SlubReport sample() {
  SlubReport report{.version = "1.2", .sources = {"dmesg.txt"}, .findings = {}};
  report.findings.counts = {
      .lines = 1000, .allocs = 10, .frees = 7, .matched = 6, .frees_of_unknown = 1, .damaged = 2, .seconds = 12.5};
  Leak leak{.kind = BlockKind::Slab, .cache = "kmalloc-4k", .object_size_bytes = 4096, .total = {3, 12288}};
  leak.stack = {{.address = {}, .symbol = "widget_open", .offset = 0x28, .symbol_size = 0x90, .module = "widget"}};
  leak.times = {.count = 3, .first_s = 12, .last_s = 2};
  leak.comms = {{"insmod", 3}};
  Leak unknown{.kind = BlockKind::Slab, .cache = "widget\x1b[2J", .total = {1, 0}};
  report.findings.groups = {leak, unknown};
  return report;
}

TEST(SlubReport, TheTextHasGroupsAndWhatCouldNotBeMatched) {
  EXPECT_EQ(to_text(sample(), 25), R"(4 objects stayed allocated, 12.0 KiB and more, in 2 groups
trace: dmesg.txt, 1,000 lines, orphan 1.2
records: 10 allocations, 7 frees, of these 6 matched, in 12.5 s

   COUNT       BYTES        SIZE  CACHE
       3    12.0 KiB      4096 B  kmalloc-4k
            caller   widget_open+0x28/0x90 [widget]
            by       insmod; first 12 s ago, last 2 s ago

       1           ?           ?  widget\x1b[2J

WHAT THIS CANNOT KNOW
  if an object is leaked: it was allocated and not freed until the trace ended, and nothing looked for who
  still uses it. What is kept on purpose is listed, too
  what was allocated before the trace began, or in another cache
  records that could not be read (2): their first lines are cut or damaged

NOTES
  objects of unknown size (1): the cache's name has none: --slabinfo FILE does
  frees without an allocation (1): it came before the trace began, or its record is lost
)");
}

TEST(SlubReport, GroupsBeyondTheFirstAreSummedUp) {
  EXPECT_NE(to_text(sample(), 1).find("       1         0 B  in 1 smaller group: --top shows more\n"), std::string::npos);
}

TEST(SlubReport, TheKernelsOwnRecordsSayWhatHasGrownAndWhoFreed) {
  SlubReport report = sample();
  report.is_snapshot = true;
  report.sources = {"/sys/kernel/debug/slab/kmalloc-4k/alloc_traces"};
  report.findings.groups.resize(1);
  report.grown["widget_open+0x28/0x90 [widget]\n"] = 2;
  report.freed = {{.kind = BlockKind::Slab, .cache = "kmalloc-4k", .object_size_bytes = 4096, .total = {5, 20480}}};
  EXPECT_EQ(to_text(report, 25), R"(3 objects allocated, 12.0 KiB, in 1 group
kernel's records: /sys/kernel/debug/slab/kmalloc-4k/alloc_traces, orphan 1.2
watched: 12.5 s

   COUNT       BYTES        SIZE  CACHE
       3    12.0 KiB      4096 B  kmalloc-4k
            caller   widget_open+0x28/0x90 [widget]
            by       insmod; first 12 s ago, last 2 s ago
            grew     by 2 meanwhile

FREE NOW, BY WHO FREED THEM

   COUNT       BYTES        SIZE  CACHE
       5    20.0 KiB      4096 B  kmalloc-4k

WHAT THIS CANNOT KNOW
  if an object is leaked: all that is allocated is listed, and nothing looked for who uses it. What grows, and
  keeps on growing, is what to look at
)");
  auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["groups"][0]["grown"], 2);
  EXPECT_EQ(json["freed"][0]["count"], 5);
}

TEST(SlubReport, TheJsonHasNullForWhatIsNotKnown) {
  auto json = nlohmann::json::parse(to_json(sample()));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["stayed"]["count"], 4);
  EXPECT_EQ(json["records"]["frees_without_allocation"], 1);
  EXPECT_EQ(json["groups"][0]["bytes"], 12288);
  EXPECT_EQ(json["groups"][0]["stack"][0]["symbol"], "widget_open");
  EXPECT_TRUE(json["groups"][1]["bytes"].is_null());
  EXPECT_TRUE(json["groups"][1]["object_size"].is_null());
}

}  // namespace
}  // namespace orphan::logs
