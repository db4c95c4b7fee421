// SPDX-License-Identifier: Apache-2.0
#include "logs/merged_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "logs/json_reader.h"
#include "logs/test_reading.h"
#include "report/kmemleak.h"
#include "report/sample_report.h"

namespace orphan::logs {
namespace {

constexpr u64 kAll = ~u64{0};

// A file for each text.
MergedReport merged(const std::vector<std::string>& texts, u64 max_objects = 1000) {
  GroupTable table(max_objects);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    table.begin_file("file" + std::to_string(i));
    auto reading = test::read_text(texts[i]);
    for (Finding& finding : reading.found) table.add(std::move(finding));
  }
  MergedReport report{.version = "0.1.0", .files = texts.size(), .hosts = table.hosts()};
  report.leaks = table.groups(true);
  report.allocated = table.groups(false);
  return report;
}

std::string with(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

const std::string kOne(test::k6_1);
// The same bug in another build, on another machine.
const std::string kOther = with(with(kOne, "0xffff888104c2d000", "0xffff888104c2d300"), "+0x41/0x1df", "+0x53/0x1ef");

TEST(MergedReport, LeaksOfOneBugAreOneGroup) {
  MergedReport report = merged({kOne, kOther, std::string(test::k2026)});
  ASSERT_EQ(report.leaks.size(), 2u);
  EXPECT_EQ(report.hosts, 3u);
  const Group& group = report.leaks[0];
  EXPECT_EQ(group.leak.total, (Tally{3, 3 * 192}));
  EXPECT_EQ(group.files, 3u);
  EXPECT_EQ(group.hosts, 3u);
  // The allocators' frames differ, too.
  EXPECT_EQ(group.stacks.size(), 3u);
  EXPECT_EQ(group.leak.comms.at(0).count, 3u);
  EXPECT_EQ(report.leaks[1].files, 1u);
}

TEST(MergedReport, HostsAreThoseThatALogNames) {
  std::string log =
      test::framed(kOne, "Nov 27 06:49:44 a kernel: kmemleak: ") + test::framed(kOne, "Nov 27 06:49:44 b kernel: kmemleak: ");
  MergedReport report = merged({log, log});
  ASSERT_EQ(report.leaks.size(), 1u);
  EXPECT_EQ(report.leaks[0].files, 2u);
  EXPECT_EQ(report.leaks[0].hosts, 2u);
  EXPECT_EQ(report.hosts, 2u);
}

TEST(MergedReport, WhatLeaksMostBytesStandsFirst) {
  MergedReport report = merged({std::string(test::k3_4) + std::string(test::k2026)});
  ASSERT_EQ(report.leaks.size(), 3u);
  EXPECT_EQ(report.leaks[0].most_bytes, 192u);
  EXPECT_EQ(report.leaks[1].most_bytes, 64u);
  EXPECT_EQ(report.leaks[2].most_bytes, 40u);
}

TEST(MergedReport, ObjectsAreKeptUpToTheLimit_TotalsAreExact) {
  MergedReport report = merged({kOne, kOther}, 1);
  EXPECT_EQ(report.leaks.at(0).leak.objects.size(), 1u);
  EXPECT_EQ(report.leaks.at(0).leak.total.count, 2u);
}

TEST(MergedReport, TheTextSaysWhatWhereAndHowOften) {
  EXPECT_EQ(to_text(merged({kOne, kOther}), kAll), R"(2 leaked blocks, 384 B, in 1 group
read: 2 files, orphan 0.1.0

   COUNT       BYTES        SIZE  CACHE
       2       384 B       192 B  (cache not told)
            stack    __kmem_cache_alloc_node+0x1c1/0x2b0
                     widget_probe+0x41/0x1df [widget]
                     (2 stacks that differ in offsets only)
            by       modprobe (pid 2088)
            seen     in 2 of 2 files
            id       )" + fmt::format("{:016x}\n", merged({kOne}).leaks.at(0).fingerprint));
}

TEST(MergedReport, WhatIsOnlyAllocatedIsNotCalledALeak) {
  std::string text = to_text(merged({std::string(test::kPageOwner)}), kAll);
  EXPECT_TRUE(text.starts_with("2 allocated blocks, 20.0 KiB, in 2 groups\n")) << text;
  EXPECT_NE(text.find("\nALLOCATED; nobody says that it leaks\n   COUNT "), std::string::npos) << text;
}

TEST(MergedReport, OnlyTheFirstAreShownAndTheRestIsCounted) {
  MergedReport report = merged({std::string(test::k3_4) + std::string(test::k2026)});
  std::string text = to_text(report, 1);
  EXPECT_NE(text.find("\n       2       104 B  in 2 smaller groups"), std::string::npos) << text;
  EXPECT_EQ(nlohmann::json::parse(to_json(report, 1))["leaks"].size(), 1u);
  EXPECT_EQ(nlohmann::json::parse(to_json(report, kAll))["leaks"].size(), 3u);
}

TEST(MergedReport, ItsJsonIsReadBackAsTheSame) {
  MergedReport report = merged({kOne, kOther, std::string(test::kPageOwner)});
  GroupTable table(1000);
  table.begin_file("merged");
  auto read = read_json_report(to_json(report, kAll), {.found = [&](Finding finding) { table.add(std::move(finding)); },
                                                       .complain = [](u64, std::string_view what) { ADD_FAILURE() << what; }});
  ASSERT_TRUE(read);
  for (bool leaks : {true, false}) {
    const std::vector<Group>& before = leaks ? report.leaks : report.allocated;
    std::vector<Group> after = table.groups(leaks);
    ASSERT_EQ(after.size(), before.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_EQ(after[i].fingerprint, before[i].fingerprint);
      EXPECT_EQ(after[i].leak.total, before[i].leak.total);
      EXPECT_EQ(after[i].files, before[i].files);
      EXPECT_EQ(after[i].hosts, before[i].hosts);
    }
  }
}

// A scan's report, written as kmemleak does and read, has the same blocks with the same stacks.
TEST(MergedReport, WhatOrphanPrintsAsKmemleakIsReadBackAsTheSameLeaks) {
  Report report = orphan::test::sample_report();
  report.leaks[0].objects[0].comm = "insmod";
  report.leaks[0].objects[0].pid = 812;
  report.leaks[0].objects[0].jiffies = 4294680594;
  std::string text = orphan::to_kmemleak(report);
  auto reading = test::read_text(text);
  EXPECT_TRUE(reading.complaints.empty());
  std::string again;
  for (const Finding& finding : reading.found) again += orphan::to_kmemleak(finding.leak, finding.leak.objects.at(0));
  EXPECT_EQ(again, text);
  EXPECT_EQ(to_kmemleak(merged({again}), kAll).size(), text.size());
}

TEST(MergedReport, AProfileOfItIsGzip) {
  EXPECT_TRUE(to_pprof(merged({kOne}), kAll).starts_with("\x1f\x8b"));
}

struct Counts {
  std::size_t fresh, grown, shrunk, gone, unchanged;
  friend bool operator==(const Counts&, const Counts&) = default;
};

Counts counts(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  MergedReport old = merged(before), now = merged(after);
  Difference found = difference(old, now);
  return {found.fresh.size(), found.grown.size(), found.shrunk.size(), found.gone.size(), found.unchanged};
}

TEST(Difference, SaysWhatIsNewGrownSmallerGoneAndTheSame) {
  std::string small(test::k3_4);
  EXPECT_EQ(counts({kOne}, {kOne}), (Counts{0, 0, 0, 0, 1}));
  EXPECT_EQ(counts({kOne}, {kOther}), (Counts{0, 0, 0, 0, 1}));
  EXPECT_EQ(counts({kOne}, {kOne + kOther}), (Counts{0, 1, 0, 0, 0}));
  EXPECT_EQ(counts({kOne + kOther}, {kOne}), (Counts{0, 0, 1, 0, 0}));
  EXPECT_EQ(counts({kOne}, {kOne + small}), (Counts{1, 0, 0, 0, 1}));
  EXPECT_EQ(counts({kOne + small}, {small}), (Counts{0, 0, 0, 1, 1}));
  EXPECT_EQ(counts({}, {}), (Counts{0, 0, 0, 0, 0}));
}

TEST(Difference, TheTextSaysFromWhatToWhat) {
  MergedReport before = merged({kOne}), after = merged({kOne + kOther});
  DifferenceOf of{.before = before, .after = after, .before_name = "old", .after_name = "new"};
  std::string text = to_text(of, difference(before, after), kAll);
  EXPECT_TRUE(text.starts_with(
      "0 groups new, 1 grown, 0 smaller, 0 gone, 0 unchanged\nfrom: old: 1 block, 192 B\nto: new: 2 blocks, 384 B\n\n"
      "GROWN\n   COUNT       BYTES        SIZE  CACHE\n"
      "      +1      +192 B       192 B  (cache not told)\n"
      "            from     1 block, 192 B, to 2 blocks, 384 B\n"))
      << text;
  auto json = nlohmann::json::parse(to_json(of, difference(before, after), kAll));
  EXPECT_EQ(json["grown"].size(), 1u);
  EXPECT_EQ(json["grown"][0]["before"]["count"], 1);
  EXPECT_EQ(json["grown"][0]["after"]["count"], 2);
}

}  // namespace
}  // namespace orphan::logs
