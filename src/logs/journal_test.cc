// SPDX-License-Identifier: Apache-2.0
#include "logs/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace orphan::logs {
namespace {

using Format = Journal::Format;

constexpr std::string_view kExport =
    "__CURSOR=s=1;i=2\n"
    "__REALTIME_TIMESTAMP=1795762184123456\n"
    "__MONOTONIC_TIMESTAMP=1234999999\n"
    "_BOOT_ID=3f2a91c0\n"
    "_TRANSPORT=kernel\n"
    "PRIORITY=4\n"
    "SYSLOG_IDENTIFIER=kernel\n"
    "_SOURCE_MONOTONIC_TIMESTAMP=1234567890\n"
    "_HOSTNAME=board\n"
    "MESSAGE=kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n"
    "\n"
    "__CURSOR=s=1;i=3\n"
    "__REALTIME_TIMESTAMP=1795762185000000\n"
    "_HOSTNAME=board\n"
    "SYSLOG_IDENTIFIER=my app\n"
    "MESSAGE=hello\n"
    "\n";
constexpr std::string_view kLines =
    "2026-11-27T06:49:44.123456+00:00 board kernel: [ 1234.567890] kmemleak: 2 new suspected memory leaks (see "
    "/sys/kernel/debug/kmemleak)\n"
    "2026-11-27T06:49:45.000000+00:00 board my_app: hello\n";
constexpr std::string_view kJson =
    R"j({"_HOSTNAME":"board","__REALTIME_TIMESTAMP":"1795762184123456","SYSLOG_IDENTIFIER":"kernel","_TRANSPORT":"kernel",)j"
    R"j("_SOURCE_MONOTONIC_TIMESTAMP":"1234567890","MESSAGE":"kmemleak: 2 new suspected memory leaks (see )j"
    R"j(/sys/kernel/debug/kmemleak)"})j"
    "\n"
    R"j({"_HOSTNAME":"board","__REALTIME_TIMESTAMP":"1795762185000000","SYSLOG_IDENTIFIER":"my app","MESSAGE":[104,101,108,108,111]})j"
    "\n";

std::string lines_of(Format format, std::string_view text, std::size_t piece = std::string_view::npos) {
  Journal journal(format);
  std::string lines;
  for (std::size_t at = 0; at < text.size(); at += std::min(piece, text.size() - at)) journal.take(text.substr(at, piece), lines);
  journal.end(lines);
  return lines;
}

std::string with_binary(std::string_view message) {
  std::string text = "__REALTIME_TIMESTAMP=1795762185000000\n_HOSTNAME=b\nSYSLOG_IDENTIFIER=kernel\nMESSAGE\n";
  for (std::size_t i = 0; i < 8; ++i) text += static_cast<char>(message.size() >> (8 * i));
  return text.append(message) + "\n_PID=1\n\n";
}

TEST(Journal, ItsFormatIsToldByItsFirstBytes) {
  EXPECT_EQ(Journal::format_of(kExport), Format::Export);
  EXPECT_EQ(Journal::format_of(kJson), Format::Json);
  EXPECT_EQ(Journal::format_of("\x1e" + std::string(kJson)), Format::Json);
  for (std::string_view other :
       {"", "{", "{\"schema\": 1}\n", "{\n  \"schema\": 1", "[ 1.0] a \"__CURSOR\"", "unreferenced object 0x1"})
    EXPECT_EQ(Journal::format_of(other), std::nullopt) << other;
}

TEST(Journal, EntriesAreLinesOfALog_HoweverTheyAreCutIntoPieces) {
  for (std::size_t piece = 1; piece < 80; ++piece) {
    EXPECT_EQ(lines_of(Format::Export, kExport, piece), kLines);
    EXPECT_EQ(lines_of(Format::Json, kJson, piece), kLines);
  }
}

TEST(Journal, ABinaryFieldMayHaveAnything_ItsLinesAreLines) {
  std::string text = with_binary("one\n\ntwo=\x01") + std::string(kExport);
  std::string begin = "2026-11-27T06:49:45.000000+00:00 b kernel: ";
  std::string expected = begin + "one\n" + begin + "\n" + begin + "two=\x01\n" + std::string(kLines);
  for (std::size_t piece : {1U, 2U, 7U, 1000U}) EXPECT_EQ(lines_of(Format::Export, text, piece), expected);
}

TEST(Journal, AnotherBootOfAHostIsALine) {
  std::string text;
  for (const char* boot : {"a", "a", "b"}) {
    for (const char* host : {"one", "two"}) text += std::string("_HOSTNAME=") + host + "\n_BOOT_ID=" + boot + "\nMESSAGE=x\n\n";
  }
  std::string lines = lines_of(Format::Export, text);
  EXPECT_EQ(std::ranges::count(lines, '\n'), 8);
  EXPECT_NE(lines.find(" one kernel: -- Boot b --\n"), std::string::npos);
  EXPECT_NE(lines.find(" two kernel: -- Boot b --\n"), std::string::npos);
  EXPECT_EQ(lines.find("Boot a"), std::string::npos);
}

TEST(Journal, CutAnywhere_WhatCameBeforeIsThere) {
  for (std::size_t size = 0; size <= kExport.size(); ++size) {
    std::string lines = lines_of(Format::Export, kExport.substr(0, size));
    EXPECT_LE(std::ranges::count(lines, '\n'), 2);
    if (size > 400) {
      EXPECT_TRUE(lines.starts_with(kLines.substr(0, 80))) << size << lines;
    }
  }
  for (std::size_t size = 0; size <= kJson.size(); ++size)
    EXPECT_LE(std::ranges::count(lines_of(Format::Json, kJson.substr(0, size)), '\n'), 2);
}

TEST(Journal, LengthsThatAreLies_AndHugeFields_CostNoMemory) {
  std::string text = "__CURSOR=1\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff" + std::string(1 << 20, 'x');
  EXPECT_LT(lines_of(Format::Export, text, 4096).size(), 70'000U);
  EXPECT_LT(lines_of(Format::Export, "__CURSOR=1\nMESSAGE=" + std::string(1 << 20, 'x'), 4096).size(), 70'000U);
}

TEST(Journal, WhatIsNoJsonIsHandedOn_AndNumbersOfLinesStay) {
  std::string text = std::string(kJson) + "-- Boot 2 --\n{\"MESSAGE\":null}\n";
  std::string lines = lines_of(Format::Json, text);
  EXPECT_EQ(std::ranges::count(lines, '\n'), 4);
  EXPECT_NE(lines.find("\n-- Boot 2 --\n"), std::string::npos);
}

}  // namespace
}  // namespace orphan::logs
