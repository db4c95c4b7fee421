// SPDX-License-Identifier: Apache-2.0
#include "logs/kmemleak_reader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "logs/test_reading.h"
#include "report/format.h"

namespace orphan::logs {
namespace {

using test::framed;
using test::read_text;

// "KIND ADDRESS SIZE comm PID JIFFIES age AGE crc CRC | frames", of all that is found.
std::string shown(const test::Reading& reading) {
  std::string out;
  for (const Finding& finding : reading.found) {
    const Leak& leak = finding.leak;
    EXPECT_EQ(leak.objects.size(), 1u);
    if (leak.objects.empty()) continue;
    const LeakedObject& object = leak.objects.front();
    out += fmt::format("{} {} {} {} {} {}", leak.cache, to_string(object.address), object.size_bytes, object.comm,
                       object.pid.value_or(0), object.jiffies.value_or(0));
    if (object.age_s) out += fmt::format(" age {}", *object.age_s);
    out += fmt::format(" crc {:x} bytes {} |", object.checksum, object.contents.size());
    for (const Frame& frame : leak.stack) out += " " + to_string(frame) + ";";
    out += '\n';
  }
  return out;
}

constexpr const char* k2026Shown =
    "(cache not told) 0xffff888104c2d000 192 modprobe 2088 4294680594 crc ed65d963 bytes 32 | "
    "__kmalloc_cache_noprof+0x2a1/0x3f0; "
    "widget_probe+0x41/0x1df [widget];\n"
    "per-cpu 0x607fc5a195f8 64 modprobe 4667 4294688677 crc 0 bytes 32 | pcpu_alloc_noprof+0x3df/0x840; "
    "widget_counters+0x21/0x60 [widget];\n";

struct Era {
  std::string_view text;
  std::string expected;
};

std::vector<Era> eras() {
  return {
      {test::k2_6_31,
       "(cache not told) 0xf6a5d300 64 insmod 812 4294901234 crc 0 bytes 0 | create_object+0x101/0x1b0; "
       "kmemleak_alloc+0x40/0x70; "
       "widget_probe+0x58/0x120 [widget]; 0xbf004bcc;\n"},
      {test::k3_4,
       "(cache not told) 0xdeb4a1c0 40 swapper/0 1 4294937561 age 1201.34 crc 0 bytes 32 | kmem_cache_alloc+0x12c/0x1d4; "
       "widget_probe+0x58/0x120 [widget];\n"},
      {test::kVendor3_10,
       "(cache not told) 0xffffffc0325f8e00 128 mediaserver 231 4294940210 age 88.12 crc 0 bytes 16 | __kmalloc+0x16c/0x230; "
       "codec_open+0x58/0x120 [codec];\n"},
      {test::k5_10,
       "(cache not told) 0xffff888104c2d000 192 modprobe 2088 4294680594 age 375.486 crc 0 bytes 32 | "
       "kmem_cache_alloc_trace+0x41/0x1df; widget_probe+0x41/0x1df [widget]; 0xffffffffc01d2036;\n"},
      {test::k6_1,
       "(cache not told) 0xffff888104c2d000 192 modprobe 2088 4294680594 crc 0 bytes 32 | __kmem_cache_alloc_node+0x1c1/0x2b0; "
       "widget_probe+0x41/0x1df [widget];\n"},
      {test::k6_8,
       "(cache not told) 0xffff888104c2d000 192 modprobe 2088 4294680594 crc ed65d963 bytes 32 | kmalloc_trace+0x1c1/0x2b0; "
       "widget_probe+0x41/0x1df [widget];\n"},
      {test::k2026, k2026Shown},
  };
}

TEST(KmemleakReader, EveryErasReportIsRead) {
  for (const Era& era : eras()) {
    auto reading = read_text(era.text);
    EXPECT_EQ(shown(reading), era.expected);
    EXPECT_TRUE(reading.complaints.empty()) << reading.complaints.front();
  }
}

TEST(KmemleakReader, WhateverStandsBeforeOrBehindTheLinesChangesNothing) {
  for (const Era& era : eras()) {
    for (std::string_view before :
         {"", "> ", "> > ", "[   12.345678] ", "<4>[   12.345678] ", "Nov 27 06:49:44 box kernel: [   12.345678] "}) {
      for (std::string_view behind : {"", "\r", "  "}) {
        auto reading = read_text(framed(era.text, before, behind));
        EXPECT_EQ(shown(reading), era.expected) << before;
        EXPECT_TRUE(reading.complaints.empty()) << reading.complaints.front();
      }
    }
  }
}

TEST(KmemleakReader, TheIndentationMayBeLost) {
  for (const Era& era : eras()) {
    std::string lost;
    bool is_start = true;
    for (char c : era.text) {
      if (is_start && c == ' ') continue;
      is_start = c == '\n';
      lost += c;
    }
    EXPECT_EQ(shown(read_text(lost)), era.expected);
  }
}

TEST(KmemleakReader, BlankLinesAndCutEndsInBetweenDoNotHarm) {
  std::string spaced;
  for (char c : test::k2026) spaced += c == '\n' ? "\n\n" : std::string(1, c);
  EXPECT_EQ(shown(read_text(spaced)), k2026Shown);
}

TEST(KmemleakReader, InALogLinesOfOthersStandBetweenThoseOfARecord) {
  std::string log;
  std::string_view rest = test::k2026;
  while (!rest.empty()) {
    std::size_t end = rest.find('\n') + 1;
    log += "[   12.345678] kmemleak: " + std::string(rest.substr(0, end)) + "[   12.345679]  other_function+0x1/0x2\n" +
           "[   12.345680] usb 1-1: new device\n";
    rest.remove_prefix(end);
  }
  auto reading = read_text(log);
  EXPECT_EQ(shown(reading), k2026Shown);
  EXPECT_TRUE(reading.complaints.empty());
}

TEST(KmemleakReader, HostsOfACentralLogAreKeptApart) {
  std::string a = framed(test::k2026, "Nov 27 06:49:44 a kernel: kmemleak: "),
              b = framed(test::k2026, "Nov 27 06:49:44 b kernel: kmemleak: ");
  std::string mixed;
  std::string_view left = a, right = b;
  while (!left.empty()) {
    std::size_t end = left.find('\n') + 1;
    mixed += std::string(left.substr(0, end)) + std::string(right.substr(0, end));
    left.remove_prefix(end);
    right.remove_prefix(end);
  }
  auto reading = read_text(mixed);
  ASSERT_EQ(reading.found.size(), 4u);
  EXPECT_EQ(std::ranges::count(reading.found, "a", &Finding::host), 2);
  EXPECT_EQ(std::ranges::count(reading.found, "b", &Finding::host), 2);
  for (const Finding& finding : reading.found) EXPECT_EQ(finding.leak.stack.size(), 2u);
}

TEST(KmemleakReader, MoreObjectsWithTheSameBacktraceAreCounted) {
  auto reading = read_text(
      "[ 1.5] kmemleak: unreferenced object 0xffff888104c2d000 (size 192):\n"
      "[ 1.5] kmemleak:   comm \"modprobe\", pid 2088, jiffies 4294680594\n"
      "[ 1.5] kmemleak:   backtrace (crc ed65d963):\n"
      "[ 1.5] kmemleak:     widget_probe+0x41/0x1df [widget]\n"
      "[ 1.5] kmemleak:   ... and 7 more object(s) with the same backtrace\n"
      "[ 1.5] kmemleak: 8 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n");
  ASSERT_EQ(reading.found.size(), 1u);
  EXPECT_EQ(reading.found[0].leak.total, (Tally{8, 8 * 192}));
  EXPECT_EQ(reading.found[0].without_size, 7u);
  EXPECT_EQ(reading.facts.announced, 8u);
  EXPECT_EQ(reading.facts.announced_only, 0u);
}

TEST(KmemleakReader, LeaksThatALogOnlyCountsAreTold) {
  auto reading = read_text("[ 1.5] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n");
  EXPECT_TRUE(reading.found.empty());
  EXPECT_EQ(reading.facts.announced_only, 3u);
  EXPECT_FALSE(reading.facts.has_given_up);
}

TEST(KmemleakReader, ThatKmemleakHasStoppedIsTold) {
  for (std::string_view text : {"Kernel memory leak detector disabled", "Memory pool empty, consider increasing CONFIG_X",
                                "Early log buffer exceeded (400), please increase X"})
    EXPECT_TRUE(read_text(fmt::format("[ 1.5] kmemleak: {}\n", text)).facts.has_given_up) << text;
  EXPECT_FALSE(read_text("[ 1.5] kmemleak: Automatic memory scanning thread started\n").facts.has_given_up);
}

TEST(KmemleakReader, TheAnswerToDumpIsNoLeak) {
  auto reading = read_text(
      "[ 1.5] kmemleak: Object 0xffff888104c2d000 (size 32):\n"
      "[ 1.5] kmemleak:   comm \"modprobe\", pid 2088, jiffies 4294680594\n"
      "[ 1.5] kmemleak:   min_count = 1\n"
      "[ 1.5] kmemleak:   checksum = 3982874979\n"
      "[ 1.5] kmemleak:   backtrace:\n"
      "[ 1.5]  widget_probe+0x41/0x1df [widget]\n");
  EXPECT_TRUE(reading.found.empty());
  EXPECT_TRUE(reading.complaints.empty());
}

TEST(KmemleakReader, AnAddressThatIsHiddenIsNotMadeUp) {
  auto reading = read_text(
      "unreferenced object (____ptrval____) (size 192):\n  comm \"sh\", pid 1, jiffies 2\n  backtrace:\n    f+0x1/0x2\n");
  ASSERT_EQ(reading.found.size(), 1u);
  EXPECT_TRUE(reading.found[0].leak.objects.empty());
  EXPECT_EQ(reading.found[0].leak.total, (Tally{1, 192}));
}

TEST(KmemleakReader, ACommMayHaveQuotesAndCommas) {
  auto reading = read_text("unreferenced object 0x1000 (size 8):\n  comm \"a\", pid 7, \"b\", pid 1, jiffies 2\n  backtrace:\n");
  ASSERT_EQ(reading.found.size(), 1u);
  EXPECT_EQ(reading.found[0].leak.objects.at(0).comm, "a\", pid 7, \"b");
  EXPECT_EQ(reading.found[0].leak.objects.at(0).pid, 1u);
}

TEST(KmemleakReader, AFrameThatAMailHasBrokenIsPutTogether) {
  auto reading = read_text(
      "> unreferenced object 0xffff888104c2d000 (size 192):\n> comm \"sh\", pid 1, jiffies 2\n> backtrace:\n"
      "> [<ffffffff813a73ec>]\n> kmalloc_trace+0x1c1/0x2b0\n> [<ffffffffc01d2041>] widget_probe+0x41/0x1df\n> [widget]\n");
  ASSERT_EQ(reading.found.size(), 1u);
  ASSERT_EQ(reading.found[0].leak.stack.size(), 2u);
  EXPECT_EQ(reading.found[0].leak.stack[0].address, Addr{0xffffffff813a73ec});
  EXPECT_EQ(reading.found[0].leak.stack[0].symbol, "kmalloc_trace");
  EXPECT_EQ(reading.found[0].leak.stack[1].module, "widget");
}

TEST(KmemleakReader, WhatAFileListsTwiceIsCountedOnce_AnotherObjectAtTheSamePlaceIsNot) {
  std::string twice = std::string(test::k6_1) + std::string(test::k6_1);
  auto reading = read_text(twice);
  EXPECT_EQ(reading.found.size(), 1u);
  EXPECT_EQ(reading.facts.repeated, 1u);
  std::string later(test::k6_1);
  later.replace(later.find("4294680594"), 10, "4294680599");
  EXPECT_EQ(read_text(std::string(test::k6_1) + later).found.size(), 2u);
}

TEST(KmemleakReader, JunkIsToldWithItsLine_AndTheRestIsUsed) {
  auto reading = read_text("Hello,\nplease look at this:\n\n" + std::string(test::k6_1) + "unreferenced object 0xzz (size 1):\n" +
                           "  comm \"sh\", pid 1, jiffies 2\n" + std::string(test::k3_4) + "Thanks\n");
  EXPECT_EQ(reading.found.size(), 2u);
  EXPECT_EQ(reading.complaints, (std::vector<std::string>{"1: 2 lines that are no part of a report",
                                                          "12: an unreferenced object without an address and a size: not counted",
                                                          "23: a line that is no part of a report"}));
}

TEST(KmemleakReader, ARecordWithoutItsEndIsCounted_OneWithoutItsBeginIsNot) {
  auto reading = read_text("unreferenced object 0x1000 (size 8):\n  comm \"sh\", pid 1, jiffies 2\n");
  ASSERT_EQ(reading.found.size(), 1u);
  EXPECT_TRUE(reading.found[0].is_partial);
  EXPECT_EQ(reading.complaints, std::vector<std::string>{"1: a record that ends before its backtrace: counted without a stack"});
  auto without_begin = read_text("  comm \"sh\", pid 1, jiffies 2\n  backtrace:\n    f+0x1/0x2\n" + std::string(test::k6_1));
  EXPECT_EQ(without_begin.found.size(), 1u);
  EXPECT_EQ(without_begin.complaints, std::vector<std::string>{"1: a record whose first line is missing"});
}

TEST(KmemleakReader, NumbersBeyondAllMeasureAreRefused) {
  for (std::string_view head :
       {"unreferenced object 0x1000 (size 99999999999999999999):", "unreferenced object 0x1000 (size 18446744073709551615):",
        "unreferenced object 0x11111111111111111 (size 8):", "unreferenced object 0x1000 (size -1):"})
    EXPECT_TRUE(read_text(std::string(head) + "\n  backtrace:\n").found.empty()) << head;
  auto reading = read_text("unreferenced object 0x1000 (size 8):\n  backtrace:\n  ... and 18446744073709551615 more object(s)\n");
  ASSERT_EQ(reading.found.size(), 1u);
  EXPECT_EQ(reading.found[0].leak.total, (Tally{1, 8}));
}

// Cut anywhere, a report has no more objects than before, and those that are whole are the same.
TEST(KmemleakReader, AReportMayBeCutAtEveryByte) {
  for (const Era& era : eras()) {
    std::string whole = shown(read_text(era.text));
    auto objects = static_cast<std::size_t>(std::ranges::count(whole, '\n'));
    for (std::size_t at = 0; at <= era.text.size(); ++at) {
      auto begin = read_text(era.text.substr(0, at)), end = read_text(era.text.substr(at));
      EXPECT_LE(begin.found.size(), objects);
      EXPECT_LE(end.found.size(), objects);
      if (begin.found.size() < 2) continue;
      // The first of two is not touched by what happens to the second.
      std::string first = shown({.found = {begin.found[0]}, .complaints = {}, .facts = {}});
      EXPECT_EQ(first, whole.substr(0, first.size()));
    }
  }
}

}  // namespace
}  // namespace orphan::logs
