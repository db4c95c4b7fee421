// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_trace.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "logs/journal.h"
#include "logs/slub_samples.h"
#include "logs/slub_sizes.h"
#include "report/format.h"

namespace orphan::logs {
namespace {

struct Followed {
  SlubFindings findings;
  std::vector<std::pair<u64, std::string>> complaints;
};

// Files, one after the other.
Followed follow(const std::vector<std::string_view>& files) {
  Followed followed;
  SlubTrace trace([&](u64 line, std::string_view what) { followed.complaints.emplace_back(line, what); });
  for (std::string_view text : files) {
    for (u64 number = 1; !text.empty(); ++number) {
      std::string_view line = text.substr(0, text.find('\n'));
      trace.take(line, number);
      text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    trace.end_file();
  }
  followed.findings = trace.finish();
  SlubSizes().apply(followed.findings.groups);
  return followed;
}

std::string head(double time, std::string_view action, u64 address, std::string_view cache = "kmalloc-64") {
  return fmt::format("[{:12.6f}] TRACE {} {} 0x{:x} inuse=1 fp=0x0\n", time, cache, action, address);
}

std::string stack(unsigned cpu, std::string_view caller, std::string_view inside = "alloc_debug_processing+0x1/0x2") {
  return fmt::format(
      "CPU: {} PID: 1 Comm: task{} Not tainted 6.1.0\nCall Trace:\n <TASK>\n dump_stack_lvl+0x1/0x2\n {}\n {}+0x1/0x2\n "
      "</TASK>\n",
      cpu, cpu, inside, caller);
}

std::string top_of(const Leak& leak) {
  return leak.stack.empty() ? "" : leak.stack.front().symbol;
}

TEST(SlubTrace, EachArchitecturesLogHasTheObjectThatStays) {
  for (const SlubSample& sample : kSlubSamples) {
    SCOPED_TRACE(sample.name);
    Followed followed = follow({sample.log});
    const SlubCounts& counts = followed.findings.counts;
    EXPECT_EQ(counts.allocs, 3U);
    EXPECT_EQ(counts.frees, 2U);
    EXPECT_EQ(counts.matched, 2U);
    EXPECT_EQ(counts.frees_of_unknown + counts.allocs_of_allocated + counts.damaged + counts.without_stack + counts.unsure_stacks,
              0U);
    EXPECT_EQ(counts.lost_messages, 0U);
    EXPECT_TRUE(followed.complaints.empty());
    ASSERT_EQ(followed.findings.groups.size(), 1U);
    const Leak& leak = followed.findings.groups.front();
    EXPECT_EQ(leak.total, (Tally{1, 4096}));
    ASSERT_GE(leak.stack.size(), 3U);
    EXPECT_EQ(to_string(leak.stack[0]).substr(0, sample.first_frame.size()), sample.first_frame);
    EXPECT_EQ(leak.stack[1].symbol, "widget_open");
    EXPECT_EQ(leak.stack[1].module, "widget");
    EXPECT_EQ(leak.stack[1].offset, 0x28U);
    ASSERT_TRUE(leak.times);
    EXPECT_NEAR(leak.times->first_s, sample.log.starts_with("[   18") ? 3.03358 : sample.log.starts_with("6,") ? 3 : 4, 1e-3);
  }
}

TEST(SlubTrace, TheTaskOfAnAllocationIsKnown) {
  Followed followed = follow({kX86Trace});
  ASSERT_EQ(followed.findings.groups.front().comms.size(), 1U);
  EXPECT_EQ(followed.findings.groups.front().comms.front().text, "insmod");
  EXPECT_EQ(followed.findings.counts.cpus, 2U);
}

TEST(SlubTrace, WhatIsAllocatedIsFoundAndWhatIsFreedIsNot) {
  Followed kept = follow({head(1, "alloc", 16) + stack(0, "widget_open")});
  ASSERT_EQ(kept.findings.groups.size(), 1U);
  EXPECT_EQ(top_of(kept.findings.groups[0]), "widget_open");
  Followed freed =
      follow({head(1, "alloc", 16) + stack(0, "widget_open") + head(2, "free", 16) + stack(0, "widget_close", "kfree+0x1/0x2")});
  EXPECT_TRUE(freed.findings.groups.empty());
}

TEST(SlubTrace, AnAddressIsOneObjectInEachCache) {
  Followed followed =
      follow({head(1, "alloc", 16, "kmalloc-64") + head(2, "alloc", 16, "dentry") + head(3, "free", 16, "kmalloc-64")});
  ASSERT_EQ(followed.findings.groups.size(), 1U);
  EXPECT_EQ(followed.findings.groups[0].cache, "dentry");
}

TEST(SlubTrace, WhatCannotBeMatchedIsCounted) {
  Followed followed = follow({head(1, "free", 16) + head(2, "alloc", 32) + head(3, "alloc", 32)});
  EXPECT_EQ(followed.findings.counts.frees_of_unknown, 1U);
  EXPECT_EQ(followed.findings.counts.allocs_of_allocated, 1U);
  EXPECT_EQ(followed.findings.counts.without_stack, 2U);
  ASSERT_EQ(followed.findings.groups.size(), 1U);
  EXPECT_EQ(followed.findings.groups[0].total.count, 1U);
}

TEST(SlubTrace, HeadsOfTwoCpusBeforeTheirStacks) {
  std::string begin = head(1, "alloc", 16) + stack(1, "first");
  // An allocation and a free are told apart whichever stack comes first.
  Followed followed = follow({begin + head(2, "free", 16) + head(2, "alloc", 32) + stack(0, "second") +
                              stack(1, "other", "free_debug_processing+0x1/0x2")});
  ASSERT_EQ(followed.findings.groups.size(), 1U);
  EXPECT_EQ(top_of(followed.findings.groups[0]), "second");
  EXPECT_EQ(followed.findings.counts.unsure_stacks, 0U);
  // Two allocations are not: the number is right, and that the stack may not be is counted.
  Followed both = follow(
      {begin + head(2, "alloc", 48) + head(2, "alloc", 32) + stack(0, "second") + stack(1, "third") + head(3, "free", 32)});
  EXPECT_EQ(both.findings.counts.unsure_stacks, 1U);
  ASSERT_EQ(both.findings.groups.size(), 2U);
}

TEST(SlubTrace, AHeadInsideOfAStackOfAnotherCpuDoesNotEndIt) {
  std::string first = stack(1, "first"), begin = head(1, "alloc", 16) + first;
  std::string half = first.substr(0, first.find(" first"));
  Followed followed =
      follow({begin + head(2, "alloc", 32) + half + head(2, "alloc", 48) + " second+0x1/0x2\n </TASK>\n" + stack(0, "third")});
  ASSERT_EQ(followed.findings.groups.size(), 3U);
  EXPECT_EQ(followed.findings.counts.unsure_stacks, 0U);
  EXPECT_EQ(followed.findings.counts.without_stack, 0U);
  std::vector<std::string> tops;
  for (const Leak& leak : followed.findings.groups) tops.push_back(top_of(leak));
  EXPECT_EQ(tops, (std::vector<std::string>{"first", "second", "third"}));
}

TEST(SlubTrace, AHeadThatHasLostItsStackDoesNotShiftAllThatFollow) {
  std::string log = head(1, "alloc", 1) + stack(1, "first") + head(2, "alloc", 2);
  for (u64 i = 3; i < 100; ++i) log += head(static_cast<double>(i), "alloc", i) + stack(0, fmt::format("caller_{}", i));
  Followed followed = follow({log});
  EXPECT_EQ(followed.findings.counts.without_stack, 1U);
  EXPECT_LT(followed.findings.counts.unsure_stacks, 12U);
  EXPECT_EQ(followed.findings.groups.size(), 99U);
}

TEST(SlubTrace, OnOneCpuALostStackIsKnownAtTheNextHead) {
  Followed followed = follow({head(1, "alloc", 16) + head(2, "alloc", 32) + stack(0, "second")});
  EXPECT_EQ(followed.findings.counts.without_stack, 1U);
  ASSERT_EQ(followed.complaints.size(), 1U);
  EXPECT_EQ(followed.complaints[0].first, 1U);
  EXPECT_EQ(followed.findings.counts.unsure_stacks, 0U);
}

TEST(SlubTrace, ALostTitleDoesNotMixTwoStacks) {
  Followed followed = follow({head(1, "alloc", 16) + stack(0, "first") + head(2, "alloc", 32) +
                              " dump_stack_lvl+0x1/0x2\n alloc_debug_processing+0x1/0x2\n second+0x1/0x2\n"});
  ASSERT_EQ(followed.findings.groups.size(), 2U);
  EXPECT_EQ(followed.findings.groups[1].stack.size(), 1U);
  EXPECT_EQ(top_of(followed.findings.groups[1]), "second");
}

TEST(SlubTrace, AStackOfAnOopsIsNotARecords) {
  Followed followed = follow(
      {head(1, "alloc", 16) + "CPU: 0 PID: 1 Comm: x Not tainted\nCall Trace:\n crashed+0x1/0x2\n" + stack(0, "widget_open")});
  ASSERT_EQ(followed.findings.groups.size(), 1U);
  EXPECT_EQ(top_of(followed.findings.groups[0]), "widget_open");
}

TEST(SlubTrace, AnAllocationThatComesInsideOfTheStackOfAFreeKeepsItsOwn) {
  std::string free_stack = stack(1, "closed", "free_debug_processing+0x1/0x2");
  std::string half = free_stack.substr(0, free_stack.find(" closed"));
  Followed followed = follow({head(1, "alloc", 16) + stack(1, "first") + head(2, "free", 16) + half + head(2, "alloc", 32) +
                              " closed+0x1/0x2\n </TASK>\n" + stack(0, "second")});
  ASSERT_EQ(followed.findings.groups.size(), 1U);
  EXPECT_EQ(top_of(followed.findings.groups[0]), "second");
  EXPECT_EQ(followed.findings.counts.without_stack + followed.findings.counts.stacks_without_head, 0U);
}

TEST(SlubTrace, AStackWithoutItsHeadIsToldWithItsLine) {
  Followed followed = follow({head(1, "alloc", 16) + stack(0, "first") + stack(0, "second")});
  EXPECT_EQ(followed.findings.counts.stacks_without_head, 1U);
  ASSERT_EQ(followed.complaints.size(), 1U);
  EXPECT_EQ(followed.complaints[0].first, 15U);
}

TEST(SlubTrace, JunkIsToldWithItsLine) {
  Followed followed = follow({"\x01\x02\xff\nTRACE kmalloc-64 alloc 0xffff\n" + head(2, "alloc", 32)});
  EXPECT_EQ(followed.findings.counts.damaged, 1U);
  ASSERT_FALSE(followed.complaints.empty());
  EXPECT_EQ(followed.complaints[0].first, 2U);
}

TEST(SlubTrace, RecordsThatTheKernelsLogHasLostAreCounted) {
  Followed followed =
      follow({"6,10,1000000,-;TRACE kmalloc-64 alloc 0x10 inuse=1 fp=0x0\n6,14,1000000,-;x\n** 5 printk messages dropped **\n"});
  EXPECT_EQ(followed.findings.counts.lost_messages, 8U);
}

TEST(SlubTrace, ABootEndsWhatWasAllocatedBefore) {
  Followed followed = follow({head(100, "alloc", 16) + stack(0, "widget_open") + head(130, "free", 99) +
                              "[    0.000000] Linux version 6.1.0\n" + head(1, "alloc", 16) + stack(0, "widget_open")});
  EXPECT_EQ(followed.findings.counts.boots, 1U);
  EXPECT_EQ(followed.findings.counts.allocs_of_allocated, 0U);
  ASSERT_EQ(followed.findings.groups.size(), 1U);
  EXPECT_EQ(followed.findings.groups[0].total.count, 2U);
  ASSERT_TRUE(followed.findings.groups[0].times);
  EXPECT_DOUBLE_EQ(followed.findings.groups[0].times->first_s, 30);
  EXPECT_DOUBLE_EQ(followed.findings.groups[0].times->last_s, 0);
}

TEST(SlubTrace, HostsOfOneLogAreKeptApart) {
  std::string log;
  for (const char* host : {"one", "two"}) log += fmt::format("Nov 27 06:49:44 {} kernel: {}", host, head(1, "alloc", 16));
  log += fmt::format("Nov 27 06:49:44 one kernel: {}", head(2, "free", 16));
  Followed followed = follow({log});
  EXPECT_EQ(followed.findings.counts.allocs_of_allocated, 0U);
  ASSERT_EQ(followed.findings.groups.size(), 1U);
  EXPECT_EQ(followed.findings.groups[0].total.count, 1U);
}

TEST(SlubTrace, RotatedFilesAreOneLog) {
  Followed followed = follow({head(1, "alloc", 16), head(2, "free", 16)});
  EXPECT_EQ(followed.findings.counts.matched, 1U);
  EXPECT_TRUE(followed.findings.groups.empty());
}

TEST(SlubTrace, TheJournalsTimesAndBootsAreUsed) {
  auto entry = [](u64 microseconds, std::string_view boot, std::string_view message) {
    return fmt::format(
        "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1\nSYSLOG_IDENTIFIER=kernel\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={}\nMESSAGE={}\n\n",
        microseconds, boot, message);
  };
  std::string first = entry(1'000'000, "a", "TRACE kmalloc-64 alloc 0x10 inuse=1 fp=0x0") +
                      entry(1'000'001, "a", " __kmalloc+0x1/0x2") + entry(1'000'002, "a", " widget_open+0x1/0x2") +
                      entry(6'000'000, "a", "TRACE kmalloc-64 free 0x99 inuse=1 fp=0x0");
  std::string log;
  Journal(Journal::Format::Export).take(first + entry(1'000'000, "b", "TRACE kmalloc-64 free 0x10 inuse=1 fp=0x0"), log);
  Followed followed = follow({log});
  EXPECT_EQ(followed.findings.counts.boots, 1U);
  ASSERT_EQ(followed.findings.groups.size(), 1U);
  ASSERT_TRUE(followed.findings.groups[0].times);
  EXPECT_DOUBLE_EQ(followed.findings.groups[0].times->first_s, 5);
  EXPECT_EQ(followed.findings.groups[0].stack.size(), 2U);
}

// Wherever a log is cut, it holds what its records up to there say.
TEST(SlubTrace, CutAtEveryByteALogIsFollowedUpToThere) {
  for (const SlubSample& sample : kSlubSamples) {
    SCOPED_TRACE(sample.name);
    for (std::size_t size = 0; size <= sample.log.size(); ++size) {
      Followed followed = follow({sample.log.substr(0, size)});
      const SlubCounts& counts = followed.findings.counts;
      u64 count = 0;
      for (const Leak& leak : followed.findings.groups) count += leak.total.count;
      ASSERT_EQ(count, counts.allocs - counts.matched) << size;
      ASSERT_LE(counts.damaged, 1U) << size;
      Followed rest = follow({sample.log.substr(size)});
      ASSERT_LE(rest.findings.counts.allocs + rest.findings.counts.frees, 5U);
    }
  }
}

}  // namespace
}  // namespace orphan::logs
