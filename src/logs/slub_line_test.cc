// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_line.h"

#include <gtest/gtest.h>

#include <string>

namespace orphan::logs {
namespace {

struct Case {
  std::string_view prefix;
  std::string_view host = {};
  std::optional<double> seconds = {};
  bool has_caller = false;
};

constexpr double kDay = 86400;

TEST(SlubLine, EveryCommonPrefixIsToldFromTheMessage) {
  const Case cases[] = {
      {""},
      {"[ 1234.567890] ", "", 1234.56789},
      {"<6>[ 1234.567890] ", "", 1234.56789},
      {"<4>[    0.000001][    T1] ", "", 0.000001, true},
      {"[ 1234.567890][ T8123] ", "", 1234.56789, true},
      {"[ 1234.567890][    C1] ", "", 1234.56789, true},
      {"6,1234,567890123,-;", "", 567.890123},
      {"6,1234,567890123,-,caller=T812;", "", 567.890123, true},
      {"kern  :info  : [ 1234.567890] ", "", 1234.56789},
      {"kern  :warn  : [Fri Nov 27 06:49:44 2026] ", "", std::nullopt},
      {"[Fri Nov 27 06:49:44 2026] ", "", std::nullopt},
      {"Nov 27 06:49:44 host kernel: [ 1234.567890] ", "host", 1234.56789},
      {"Nov  7 06:49:44 host.example kernel: [ 1234.567890][  T812] ", "host.example", 1234.56789, true},
      {"2026-11-27T06:49:44.123456+00:00 host kernel: ", "host", 20784 * kDay + 6 * 3600 + 49 * 60 + 44.123456},
      {"2026-11-27T06:49:44+0000 host kernel: ", "host", 20784 * kDay + 6 * 3600 + 49 * 60 + 44},
      {"[ 1234.567890] host kernel: ", "host", 1234.56789},
      {"kernel: "},
      {"Nov 27 06:49:44 [ 1234.567890] ", "", 1234.56789},
      {"[2026-11-27 06:49:44.500] [ 1234.567890] ", "", 1234.56789},
      {"[2026-11-27 06:49:44.500] ", "", 20784 * kDay + 6 * 3600 + 49 * 60 + 44.5},
  };
  for (const Case& each : cases) {
    for (std::string_view message : {"TRACE kmalloc-64 alloc 0x1 inuse=1 fp=0x2", " widget_open+0x28/0x90 [widget]",
                                     "[<c0012378>] (dump_backtrace+0x0/0x114) from [<c0366d34>] (dump_stack+0x18/0x1c)",
                                     "CPU: 1 PID: 116 Comm: insmod Not tainted", "Backtrace: "}) {
      std::string line = std::string(each.prefix) + std::string(message);
      SlubLine read = split_slub_line(line);
      EXPECT_EQ(read.message, message) << line;
      EXPECT_EQ(read.prefix, each.prefix);
      EXPECT_EQ(read.host, each.host) << line;
      EXPECT_EQ(read.caller != 0, each.has_caller) << line;
      auto seconds = seconds_of_prefix(read.prefix);
      if (each.seconds) {
        ASSERT_TRUE(seconds) << line;
        EXPECT_NEAR(*seconds, *each.seconds, 1e-6) << line;
      }
    }
  }
}

TEST(SlubLine, TimesWithoutAYearDifferAsTheirDatesDo) {
  auto first = seconds_of_prefix("Feb 28 23:59:59 host kernel: "), second = seconds_of_prefix("Mar  1 00:00:01 host kernel: ");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*second - *first, kDay + 2);
  auto third = seconds_of_prefix("[Fri Nov 27 06:49:44 2026] "), fourth = seconds_of_prefix("[Sat Nov 28 06:49:45 2026] ");
  ASSERT_TRUE(third && fourth);
  EXPECT_EQ(*fourth - *third, kDay + 1);
}

TEST(SlubLine, WhoPrintsIsTheSameInEveryFormatAndTasksAreNotCpus) {
  u64 task = split_slub_line("[    1.000000][   T12] x").caller;
  EXPECT_EQ(split_slub_line("6,1,1000000,-,caller=T12;x").caller, task);
  EXPECT_NE(split_slub_line("[    1.000000][   C12] x").caller, task);
  EXPECT_NE(split_slub_line("[    1.000000][   T13] x").caller, task);
  EXPECT_NE(split_slub_line("[    1.000000][    C0] x").caller, 0U);
}

TEST(SlubLine, OnlyARecordOfTheKernelsLogHasASequence) {
  EXPECT_EQ(sequence_of_prefix("6,1234,567890123,-;"), 1234U);
  EXPECT_FALSE(sequence_of_prefix("[ 1234.567890] "));
  EXPECT_FALSE(sequence_of_prefix("2026-11-27T06:49:44 host kernel: "));
}

TEST(SlubLine, ALineOfAnotherProgramIsNotTakenForTheKernels) {
  EXPECT_FALSE(split_slub_line("Nov 27 06:49:44 host logger: TRACE kmalloc-64 alloc 0x1 inuse=1").message.starts_with("TRACE"));
}

TEST(SlubLine, AnyPartOfALineIsALine) {
  std::string line = "2026-11-27T06:49:44.123456+00:00 host kernel: <4>[ 1234.567890][  T812] kern  :warn  : TRACE";
  for (std::size_t begin = 0; begin < line.size(); ++begin) {
    for (std::size_t size = 0; size <= line.size() - begin; ++size) {
      std::string part = line.substr(begin, size);
      SlubLine read = split_slub_line(part);
      EXPECT_EQ(read.prefix.size() + read.message.size(), part.size());
      (void)seconds_of_prefix(part);
    }
  }
}

}  // namespace
}  // namespace orphan::logs
