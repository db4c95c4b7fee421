// SPDX-License-Identifier: Apache-2.0
#include "logs/log_line.h"

#include <gtest/gtest.h>

namespace orphan::logs {
namespace {

struct Read {
  std::string text, host;
  bool is_log = false, is_kernel = true, has_tag = false;
};

Read read(std::string_view line) {
  std::string scratch;
  LogLine read = read_log_line(line, scratch);
  return {std::string(read.text), std::string(read.host), read.is_log, read.is_kernel, read.has_tag};
}

TEST(LogLine, EveryKindOfPrefixGoes) {
  for (std::string_view prefix : {"[   12.345678] ",
                                  "<4>[ 1234.567890] ",
                                  "<4>",
                                  "<12>[    0.000000] ",
                                  "[ 1234.567890][  T812] ",
                                  "[   12.345678] [   T1] ",
                                  "[   12.345678][    C1] ",
                                  "4,1234,567890123,-;",
                                  "4,1234,567890123,-,caller=T12;",
                                  "kern  :warn  : [   12.345678] ",
                                  "kern  :warn  : ",
                                  "[Fri Nov 27 06:49:44 2026] ",
                                  "[Nov27 06:49] ",
                                  "[  +0.000012] ",
                                  "[   12.345678 <    0.000012>] ",
                                  "Nov 27 06:49:44 box kernel: ",
                                  "Nov  7 06:49:44 box kernel: [   12.345678] ",
                                  "Nov 27 06:49:44.123456 box kernel: ",
                                  "2026-11-27T06:49:44.123456+00:00 box kernel: [   12.345678] ",
                                  "2026-11-27T06:49:44+0000 box kernel: ",
                                  "Fri 2026-11-27 06:49:44 UTC box kernel: ",
                                  "[   12.345678] box kernel: ",
                                  "2026-11-27 06:49:44 box kernel: ",
                                  "Nov 27 06:49:44 box kernel[1]: ",
                                  "kernel: "}) {
    Read line = read(std::string(prefix) + "kmemleak:   comm \"sh\"");
    EXPECT_EQ(line.text, "  comm \"sh\"") << prefix;
    EXPECT_TRUE(line.is_log && line.is_kernel && line.has_tag) << prefix;
    EXPECT_EQ(line.host, prefix.find("box") == std::string_view::npos ? "" : "box") << prefix;
  }
}

TEST(LogLine, WithoutAPrefixALineStaysAsItIs) {
  for (std::string_view text :
       {"    [<c04e1234>] create_object+0x101/0x1b0", "    [<ffffffff>] 0xffffffff", "  comm \"a: b\", pid 1",
        "    00 01 10 00  ....", "[widget]", "Page allocated via order 0", ""}) {
    Read line = read(text);
    EXPECT_EQ(line.text, text);
    EXPECT_FALSE(line.is_log || line.has_tag);
  }
}

TEST(LogLine, TheLineOfAnotherProgramIsToldFromTheKernels) {
  EXPECT_FALSE(read("Nov 27 06:49:44 box sshd[812]: kmemleak: unreferenced object 0x1 (size 1):").is_kernel);
  EXPECT_TRUE(read("Nov 27 06:49:44 box kernel: kmemleak: unreferenced object 0x1 (size 1):").is_kernel);
}

TEST(LogLine, QuotesOfMailsGo) {
  EXPECT_EQ(read("> unreferenced object").text, "unreferenced object");
  EXPECT_EQ(read("> >   comm").text, "  comm");
  EXPECT_EQ(read(">>  comm").text, " comm");
  EXPECT_EQ(read("> [   12.345678] kmemleak: x").text, "x");
}

TEST(LogLine, WhatAWebPageMakesOfTextIsUndone) {
  EXPECT_EQ(read("[&lt;c04e1234&gt;] f+0x1/0x2").text, "[<c04e1234>] f+0x1/0x2");
  EXPECT_EQ(read("comm &quot;sh&quot;, a &amp;lt;").text, "comm \"sh\", a &lt;");
  EXPECT_EQ(read("\xc2\xa0\xc2\xa0"
                 "comm")
                .text,
            "  comm");
  EXPECT_EQ(read("\tcomm").text, " comm");
}

TEST(LogLine, EndsOfASerialConsoleAndColoursGo) {
  EXPECT_EQ(read("[   12.345678] kmemleak: x \r").text, "x");
  EXPECT_EQ(read("\r[   12.345678] kmemleak: x\r\r").text, "x");
  EXPECT_EQ(read("\x1b[32m[   12.345678] \x1b[0m\x1b[33mkmemleak\x1b[0m: x").text, "x");
}

TEST(LogLine, ANumberIsDigitsAndFits) {
  u64 number = 0;
  std::string_view text = "12 ";
  EXPECT_TRUE(take_number(text, number));
  EXPECT_EQ(number, 12u);
  EXPECT_EQ(text, " ");
  for (std::string_view wrong : {"", " 1", "-1", "+1", "x", "99999999999999999999"})
    EXPECT_FALSE(take_number(wrong, number)) << wrong;
}

}  // namespace
}  // namespace orphan::logs
