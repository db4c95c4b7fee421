// SPDX-License-Identifier: Apache-2.0
#include "report/text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "report/sample_report.h"

namespace orphan {
namespace {

constexpr std::string_view kSampleText = R"(103 leaked blocks, 20.6 KiB, in 3 groups
target: kernel 6.1.0-56-cloud-amd64, 2023-11-14 22:13:20 UTC, orphan 0.1.0
passes: 3 in 12.3 s, 6.3 GiB read; the last two agree

   COUNT       BYTES        SIZE  CACHE
     100    12.5 KiB       128 B  kmalloc-128 (also: kioctx, pool_workqueue, +3): struct widget
            string   "leak me" at +0x0, in all 100
            symbol   widget_ops [widget] at +0x40, in 40 of 100
            stack    widget_probe+0x41/0x1df [widget] drivers/misc/widget.c:123
                     do_one_initcall+0x59/0x220
                     0xffffffffc01d2036
            by       insmod (97), sh (3); first 713 s ago, last 6 s ago, 0.14 a second
            leaked   certain: unreferenced, unchanged in all 3 passes, 12 s
            objects  0xffff888104c2d000 0xffff888104c2d080 0xffff888104c2d100 +97 more
            6c 65 61 6b 20 6d 65 00 00 00 00 00 00 00 00 00  leak me.........
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................

       1     8.0 KiB      8192 B  vmalloc
            caller     ring_pages (inlined) drivers/misc/ring.h:88
                     widget_ring_alloc+0x27/0x90 [widget] drivers/misc/widget.c:140
            leaked   likely: unreferenced, unchanged in two passes or more; some not from the first pass on
            object   0xffffc90000a65000
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
            00 00 00 00                                      ....

       2       128 B        64 B  per-cpu
            leaked   possible: unknown
            objects  0x607fc5a195f8 +1 more (percpu; below: cpu 2)
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................

BLOCKS                       COUNT                 BYTES
referenced               1,234,538         1,181,713,755     1.1 GiB  something points to them
leaked                         103                21,120    20.6 KiB  nothing did, two passes or more
weak                             2                 2,144     2.1 KiB  only doubtful references do: see --weak
suppressed                     120                15,360    15.0 KiB  nothing does, and a rule says why
unconfirmed                      6                 6,468     6.3 KiB  not so in the pass before, or changed
unstable                         0                     0         0 B  moved while read: taken as referenced
examined                 1,234,769         1,181,758,847     1.1 GiB

BY KIND                      COUNT                 BYTES
slab                     1,234,000         1,000,000,000   953.7 MiB
large-kmalloc                  500           100,000,000    95.4 MiB
vmalloc                        200            81,000,000    77.2 MiB
per-cpu                         69               758,847   741.1 KiB
examined                 1,234,769         1,181,758,847     1.1 GiB

SUPPRESSED                   COUNT       BYTES  REASON
obj_cgroup vectors             110    13.8 KiB  struct slab keeps the vector's address with flag bits in its
                                                low bits, and a page's own metadata is not a root that a
                                                word-wise reader sees
xarray                          10     1.2 KiB  a tagged entry

NOT SEEN
  registers of running tasks (4): another CPU's registers cannot be read
  unreadable pages (3, 12.0 KiB): /proc/kcore refused them

NOTES
  objects younger than the scan: they are looked at by the next one

SELF-TEST  161 caches against /proc/slabinfo: 1,234,567 objects here, 1,234,560 there; 1 cache differs
  kmalloc-64: 1,000 here, 993 there

PASSES     SECONDS       LIVE BLOCKS    UNREFERENCED     CONFIRMED          READ
1              2.5         1,234,800             400           400       2.1 GiB
2              2.4         1,234,760             300           260       2.1 GiB
3              2.4         1,234,769             229           103       2.1 GiB

ROOTS                        COUNT                 BYTES
kernel pages                 4,210            17,244,160    16.4 MiB
task stacks                    310             5,079,040     4.8 MiB
all roots                    4,520            22,323,200    21.3 MiB
)";

TEST(Text, OfASampleReport) {
  EXPECT_EQ(to_text(test::sample_report()), kSampleText);
}

constexpr std::string_view kWeakText = R"(
WEAKLY REFERENCED: not leaked, if what refers to them is how somebody keeps them
   COUNT       BYTES        SIZE  CACHE
       1     2.0 KiB      2048 B  kmalloc-2k
            weak     physical-address of 0xffff888104c2e000 in module widget: ring+0x8
            object   0xffff888104c2e000
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................

       1        96 B        96 B  kmalloc-96
            weak     below others of these
            object   0xffff888104c2f060
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................

BLOCKS )";

TEST(Text, WeaklyReferencedBlocksAreShownWhenAskedFor) {
  std::string text = to_text(test::sample_report(), {.shows_weak = true});
  EXPECT_NE(text.find(kWeakText), std::string::npos) << text;
  Report report = test::sample_report();
  report.weak.clear();
  EXPECT_NE(to_text(report, {.shows_weak = true}).find("WEAKLY REFERENCED  no block is\n"), std::string::npos);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Count and bytes of the table rows from the line that starts with `title` to the next empty line; the last one is the sum.
std::vector<Tally> table(const std::string& text, std::string_view title) {
  constexpr std::size_t kNameWidth = 18;
  std::vector<Tally> rows;
  bool is_inside = false;
  for (std::string line : lines_of(text)) {
    if (line.empty()) is_inside = false;
    if (is_inside) {
      std::erase(line, ',');
      std::istringstream numbers(line.substr(kNameWidth));
      Tally& row = rows.emplace_back();
      numbers >> row.count >> row.bytes;
    }
    if (line.starts_with(title)) is_inside = true;
  }
  return rows;
}

TEST(Text, TheNumbersAddUp) {
  Report report = test::sample_report();
  std::string text = to_text(report);
  for (std::string_view title : {"BLOCKS", "BY KIND", "ROOTS"}) {
    std::vector<Tally> rows = table(text, title);
    ASSERT_GT(rows.size(), 2u) << title;
    Tally sum;
    for (std::size_t i = 0; i + 1 < rows.size(); ++i) sum += rows[i];
    EXPECT_EQ(sum, rows.back()) << title;
  }
  EXPECT_EQ(table(text, "BLOCKS").back(), examined(report));
  EXPECT_EQ(table(text, "BY KIND").back(), examined(report));
  EXPECT_FALSE(contains(text, "do not add up"));
}

TEST(Text, NumbersThatDoNotAddUpAreSaidNotHidden) {
  Report report = test::sample_report();
  report.outcome.referenced.bytes += 1;
  EXPECT_TRUE(contains(to_text(report), "do not add up"));
  report = test::sample_report();
  report.leaks.pop_back();
  EXPECT_TRUE(contains(to_text(report), "do not add up"));
}

TEST(Text, LinesStayWithin110Columns) {
  Report report = test::sample_report();
  report.coverage[0].why = std::string(20, 'w');
  for (int i = 0; i < 40; ++i) report.coverage[0].why += " and so on";
  for (const std::string& line : lines_of(to_text(report))) EXPECT_LE(line.size(), 110u) << line;
}

TEST(Text, NothingOfTheTargetReachesTheTerminalRaw) {
  std::string hostile = "\x1b]0;owned\x07\n\xff\xc2\x9b\"";
  Report report = test::sample_report();
  report.target = report.version = hostile;
  Leak& leak = report.leaks[0];
  leak.cache = leak.type = leak.aliases[0] = hostile;
  leak.stack[0].symbol = leak.stack[0].module = leak.stack[0].file = hostile;
  leak.evidence[0].text = leak.evidence[1].text = hostile;
  leak.comms[0].text = report.leaks[1].stack[0].symbol = report.leaks[1].stack[0].file = hostile;
  report.suppressed[0].rule = report.suppressed[0].reason = hostile;
  report.coverage[0].what = report.coverage[0].why = hostile;
  report.self_test->different[0].cache = hostile;
  report.roots[0].kind = hostile;
  std::string text = to_text(report);
  EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
  EXPECT_EQ(lines_of(text).size(),
            lines_of(to_text(test::sample_report())).size() - 1);  // a long reason took three lines, and the task now takes two
  EXPECT_TRUE(contains(text, "string   \"\\x1b]0;owned\\x07\\n\\xff\\xc2\\x9b\\\"\" at +0x0"));
}

TEST(Text, NoLeaksAreSaidInTheFirstLine_WithADoubtWhereNotAllWasSeen) {
  Report report;
  EXPECT_EQ(lines_of(to_text(report))[0], "no leaks found");
  report.coverage = {{"a fact", 0, 0, "it is so", false}};
  EXPECT_EQ(lines_of(to_text(report))[0], "no leaks found");
  report.coverage.push_back({"some pages", 4096, 1, "unreadable", true});
  EXPECT_EQ(lines_of(to_text(report))[0], "no leaks found in what could be seen (see NOT SEEN)");
}

TEST(Text, OneIsSingular) {
  Report report;
  report.leaks = {test::vmalloc_leak()};
  report.outcome.leaked = {1, 8192};
  EXPECT_EQ(lines_of(to_text(report))[0], "1 leaked block, 8.0 KiB, in 1 group");
}

TEST(Text, AnEmptyReportSaysWhatIsMissing) {
  std::string text = to_text(Report{});
  EXPECT_TRUE(contains(text, "NOT SEEN\n  nothing"));
  EXPECT_TRUE(contains(text, "SELF-TEST  not done"));
}

TEST(Text, AStoppedOrUnsettledScanSaysSo) {
  Report report = test::sample_report();
  report.settled = false;
  EXPECT_TRUE(contains(to_text(report), "; the last two disagree: "));
  report.interrupted = true;
  EXPECT_TRUE(contains(to_text(report), "; interrupted: "));
}

TEST(Text, AtMostFiveDifferingCachesAreNamed) {
  Report report = test::sample_report();
  report.self_test->different.assign(8, {"kmalloc-64", 1'000, 993});
  std::string text = to_text(report);
  EXPECT_TRUE(contains(text, "; 8 caches differ\n"));
  EXPECT_TRUE(contains(text, "  kmalloc-64: 1,000 here, 993 there\n  +3 more\n"));
  report.self_test->different.clear();
  EXPECT_TRUE(contains(to_text(report), "; no cache differs\n"));
}

TEST(Text, AGroupWithoutKeptObjectsSaysWhy) {
  Report report = test::sample_report();
  report.leaks[0].objects.clear();
  EXPECT_TRUE(contains(to_text(report), "objects  none kept: --max-objects was reached\n"));
}

TEST(Text, LongListsAreCutAndCounted) {
  Report report = test::sample_report();
  Leak& leak = report.leaks[0];
  leak.evidence.assign(11, {Evidence::Kind::String, 0, std::string(60, 'x'), 1});
  leak.stack.assign(20, leak.stack[0]);
  std::string text = to_text(report);
  EXPECT_TRUE(contains(text, "\"" + std::string(48, 'x') + "\"... at +0x0, in 1 of 100\n"));
  EXPECT_TRUE(contains(text, "+3 more things inside\n"));
  EXPECT_TRUE(contains(text, "+4 more frames\n"));
}

std::size_t occurrences(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Text, InlinedFunctionsStandBeforeTheFrameThatHasThem_AndTakeNoneOfItsRoom) {
  Report report = test::sample_report();
  std::vector<Frame> both = report.leaks[1].stack;
  std::vector<Frame>& stack = report.leaks[0].stack;
  stack.clear();
  for (int i = 0; i < 16; ++i) stack.insert(stack.end(), both.begin(), both.end());
  report.leaks[1].stack.clear();
  std::string text = to_text(report);
  EXPECT_EQ(occurrences(text, " ring_pages (inlined) drivers/misc/ring.h:88\n"), 16u);
  EXPECT_EQ(occurrences(text, " widget_ring_alloc+0x27/0x90 [widget] drivers/misc/widget.c:140\n"), 16u);
  EXPECT_FALSE(contains(text, "more frames"));
  stack.insert(stack.end(), both.begin(), both.end());
  text = to_text(report);
  EXPECT_EQ(occurrences(text, " ring_pages (inlined)"), 16u);
  EXPECT_TRUE(contains(text, "+1 more frames\n"));
}

TEST(Text, AStackThatWasTakenOfOthersIsSaidToBe) {
  Report report = test::sample_report();
  EXPECT_FALSE(contains(to_text(report), "no stack was taken"));
  report.leaks[0].inferred_stacks = 3;
  EXPECT_TRUE(contains(to_text(report), "(3 of 100: no stack was taken, and others from there have this one)\n"));
}

TEST(Text, WhoAllocatedAndWhenIsSaidWhereItIsKnownOfSingleObjects) {
  Report report = test::sample_report();
  report.leaks[0].times.reset();
  report.leaks[0].comms.clear();
  EXPECT_FALSE(contains(to_text(report), "            by "));
  auto& objects = report.leaks[0].objects;
  objects[0].pid = 12;
  objects[0].comm = "insmod";
  objects[0].age_s = 61.7;
  EXPECT_TRUE(contains(to_text(report), "            by       pid 12 (insmod), 62 s ago\n"));
  objects[1].pid = 13;
  objects[1].age_s = 5;
  EXPECT_TRUE(contains(to_text(report), "            by       pid 12 (insmod), pid 13, 5 to 62 s ago\n"));
  for (u32 i = 0; i < 4; ++i) objects[i].pid = i;
  EXPECT_TRUE(contains(to_text(report), "pid 0 (insmod), pid 1, pid 2 +1 more, 5 to 62 s ago\n"));
}

// What stands behind "by" for a group of 100 blocks.
std::string by(const Leak& leak) {
  Report report = test::sample_report();
  report.leaks[0] = leak;
  std::string text = to_text(report);
  constexpr std::string_view kBy = "            by       ";
  std::size_t start = text.find(kBy);
  if (start == std::string::npos) return {};
  text.erase(0, start + kBy.size());
  const std::string more = '\n' + std::string(kBy.size(), ' ');
  for (std::size_t at; (at = text.find(more)) < text.find("            leaked");) text.replace(at, more.size(), " ");
  return text.substr(0, text.find('\n'));
}

TEST(Text, WhoAllocatedAndWhenIsSaidOfTheWholeGroupWhereItIsKnown) {
  Leak leak = test::slab_leak();
  leak.objects[0].pid = leak.objects[1].pid = 101;
  leak.objects[2].pid = 245;
  leak.objects[0].age_s = 5;
  leak.objects[0].comm = "insmod";
  EXPECT_EQ(by(leak), "insmod (97), sh (3); pid 101, 245; first 713 s ago, last 6 s ago, 0.14 a second");
  for (u32 i = 0; i < 4; ++i) leak.objects[i].pid = i;
  leak.times->count = 40;
  EXPECT_EQ(by(leak), "insmod (97), sh (3); pid 0, 1, 2 +1 more; first 713 s ago, last 6 s ago, 3.3 a minute (known of 40)");
  leak.times.reset();
  EXPECT_EQ(by(leak), "insmod (97), sh (3); pid 0, 1, 2 +1 more; 5 s ago");
  for (LeakedObject& object : leak.objects) object = {.address = object.address};
  leak.comms = {{"insmod", 40}};
  EXPECT_EQ(by(leak), "insmod (40)");
  leak.comms = {{"insmod", 100}};
  EXPECT_EQ(by(leak), "insmod");
  leak.objects[0].pid = 12;
  EXPECT_EQ(by(leak), "insmod (pid 12)");
  leak.objects[0].pid.reset();
  leak.comms.assign(5, {"a\n", 20});
  EXPECT_EQ(by(leak), "a\\n (20), a\\n (20), a\\n (20), +2 more");
  leak.comms.clear();
  EXPECT_EQ(by(leak), "");
  leak.times = AllocationTimes{.count = 100, .first_s = 6.2, .last_s = 6.1};
  leak.objects[0].pid = 12;
  leak.objects[0].comm = "insmod";
  EXPECT_EQ(by(leak), "pid 12 (insmod); 6 s ago, 990 a second");
}

TEST(Text, ARateHasTheUnitThatReadsWell_OfAFewBlocksThereIsNone) {
  Leak leak = test::slab_leak();
  leak.comms.clear();
  auto rate_of = [&](u64 count, double seconds) {
    leak.total.count = count;
    leak.times = AllocationTimes{.count = count, .first_s = seconds, .last_s = 0};
    std::string text = by(leak);
    return text.substr(text.find("last 0 s ago") + std::string_view("last 0 s ago").size());
  };
  EXPECT_EQ(rate_of(4, 10), "");
  EXPECT_EQ(rate_of(5, 10), ", 0.4 a second");
  EXPECT_EQ(rate_of(11, 5), ", 2.0 a second");
  EXPECT_EQ(rate_of(123'457, 10), ", 12,346 a second");
  EXPECT_EQ(rate_of(11, 99.9), ", 0.1 a second");
  EXPECT_EQ(rate_of(11, 101), ", 5.9 a minute");
  EXPECT_EQ(rate_of(11, 3'600), ", 0.17 a minute");
  EXPECT_EQ(rate_of(11, 36'000), ", 1.0 an hour");
  EXPECT_EQ(rate_of(11, 3'600'000), ", 0.01 an hour");
}

TEST(Text, BlocksOfOneMomentHaveNoRate) {
  Leak leak = test::slab_leak();
  leak.times = AllocationTimes{.count = 100, .first_s = 6, .last_s = 6};
  EXPECT_EQ(by(leak), "insmod (97), sh (3); 6 s ago");
}

TEST(Text, WhoIsChargedIsSaidWhereItIsKnown) {
  Report report = test::sample_report();
  EXPECT_FALSE(contains(to_text(report), "            cgroup "));
  report.leaks[0].cgroups = {{"/a", 3}, {"/b", 1}};
  report.leaks[1].cgroups = {{"/c", 1}};
  std::string text = to_text(report);
  EXPECT_TRUE(contains(text, "            cgroup   /a (3), /b (1)\n"));
  EXPECT_TRUE(contains(text, "            cgroup   /c\n"));
  report.leaks[0].cgroups.assign(5, {"/a", 1});
  EXPECT_TRUE(contains(to_text(report), "/a (1), /a (1), /a (1), +2 more\n"));
}

TEST(Text, ATypeThatIsLikelyIsSaidToBeSo_WithTheReason) {
  Report report = test::sample_report();
  EXPECT_FALSE(contains(to_text(report), "likely struct"));
  report.leaks[0].type_reason = "its size fits";
  std::string text = to_text(report);
  EXPECT_TRUE(contains(text, "+3): likely struct widget\n"));
  EXPECT_TRUE(contains(text, "            likely   struct widget: its size fits\n"));
}

TEST(Text, WhereItPointedIsSaid_WithTheMemberWhereTheTypeIsKnown) {
  Report report = test::sample_report();
  report.leaks[0].evidence = {{Evidence::Kind::Block, 8, "dentry+0x0", 100, "d_parent"}, {Evidence::Kind::List, 16, "empty", 1}};
  std::string text = to_text(report);
  EXPECT_TRUE(contains(text, "            points   to dentry+0x0 at +0x8 (d_parent), in all 100\n"));
  EXPECT_TRUE(contains(text, "            list     empty at +0x10, in 1 of 100\n"));
}

TEST(Text, PagesHaveASectionAndATableOfTheirOwn_WithoutThemNothingIsSaid) {
  Report report = test::sample_report();
  EXPECT_EQ(to_text(report, {}).find("PAGES"), std::string::npos);
  report.pages = test::page_report();
  std::string text = to_text(report, {});
  EXPECT_TRUE(text.starts_with("103 leaked blocks, 20.6 KiB, in 3 groups; possibly 2 blocks of pages, 16.0 KiB\n")) << text;
  EXPECT_NE(text.find(R"(
PAGES of the page allocator that nothing refers to: possible leaks
   COUNT       BYTES        SIZE  CACHE
       2    16.0 KiB      8192 B  pages
            string   "widget log" at +0x10, in all 2
            leaked   possible: a device may keep them
            objects  0xffff888103a42000 0xffff888103a46000
)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("unconfirmed                      4                20,480    20.0 KiB  not so before"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("do not add up"), std::string::npos);
  report.pages->leaked.count = 3;
  EXPECT_NE(to_text(report, {}).find("do not add up"), std::string::npos);
  report.pages->leaked = {};
  report.pages->groups.clear();
  EXPECT_NE(to_text(report, {}).find("\nPAGES  something refers to each\n"), std::string::npos);
}

}  // namespace
}  // namespace orphan
