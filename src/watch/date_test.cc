// SPDX-License-Identifier: Apache-2.0
#include "watch/date.h"

#include <gtest/gtest.h>

namespace orphan::watch {
namespace {

constexpr i64 kThen = 1'795'762'165;  // 2026-11-27 06:49:25 UTC

TEST(Date, EveryFormOfDateIsTheSameMoment) {
  for (const char* text : {"Fri Nov 27 06:49:25 UTC 2026",
                           "Fri Nov 27 06:49:25 GMT 2026",
                           "Fri Nov 27 06:49:25 2026",
                           "Fri 27 Nov 2026 06:49:25 AM UTC",
                           "Fri Nov 27 06:49:25 AM UTC 2026",
                           "Friday, 27 November 2026 06:49:25 UTC",
                           "Fri, 27 Nov 2026 06:49:25 +0000",
                           "Fri, 27 Nov 2026 07:49:25 +0100",
                           "Fri Nov 27 07:49:25 CET 2026",
                           "Fri Nov 27 12:19:25 IST 2026",
                           "Thu Nov 26 22:49:25 PST 2026",
                           "Fri Nov 27 03:49:25 -03 2026",
                           "2026-11-27 06:49:25",
                           "2026-11-27 06:49:25 UTC",
                           "2026-11-27 06:49:25+00:00",
                           "2026-11-27T06:49:25Z",
                           "2026-11-27T07:49:25+0100",
                           "2026-11-27T06:49:25,000000000+00:00",
                           "2026/11/27 06:49:25",
                           "1795762165",
                           "@1795762165.000",
                           "=== Fri Nov 27 06:49:25 UTC 2026 ===",
                           "# Fri Nov 27 06:49:25 UTC 2026",
                           "[2026-11-27 06:49:25]",
                           "date: Fri Nov 27 06:49:25 UTC 2026",
                           "Timestamp = 2026-11-27 06:49:25",
                           "----- DATE: 1795762165 -----\r"}) {
    auto date = parse_date(text);
    ASSERT_TRUE(date) << text;
    EXPECT_EQ(date->unix_ms, kThen * 1000) << text;
    EXPECT_EQ(date->unknown_zone, "") << text;
  }
}

TEST(Date, FractionsNoonAndMidnightAreRight) {
  EXPECT_EQ(parse_date("2026-11-27 06:49:25.25")->unix_ms, kThen * 1000 + 250);
  EXPECT_EQ(parse_date("1795762165.125")->unix_ms, kThen * 1000 + 125);
  EXPECT_EQ(parse_date("Fri 27 Nov 2026 06:49:25 PM UTC")->unix_ms, (kThen + 12 * 3600) * 1000);
  EXPECT_EQ(parse_date("Nov 27 2026 12:00:00 AM")->unix_ms + 12 * 3'600'000, parse_date("Nov 27 2026 12:00:00 PM")->unix_ms);
  EXPECT_EQ(parse_date("Thu Jan 1 00:00:07 UTC 1970")->unix_ms, 7000);
  EXPECT_EQ(parse_date("29 Feb 2024 00:00")->unix_ms, i64{1'709'164'800} * 1000);
}

TEST(Date, AZoneThatIsNotKnownIsNamed) {
  auto date = parse_date("Fri Nov 27 06:49:25 XYZT 2026");
  ASSERT_TRUE(date);
  EXPECT_EQ(date->unknown_zone, "XYZT");
  EXPECT_EQ(date->unix_ms, kThen * 1000);
}

TEST(Date, WhatIsNotOnlyADateIsNone) {
  for (const char* text : {"",
                           "date",
                           "Fri",
                           "Fri Nov 27",
                           "06:49:25",
                           "2026",
                           "2026-11-27",
                           "Nov 27 06:49:25",
                           "12345",
                           "1795762165 1",
                           "Fri Nov 27 06:49:25 UTC 2026 x: 1",
                           "Fri Nov 27 06:49:25 2026 2027",
                           "Fri Nov 31 06:49:25 UTC 2026",
                           "Fri Nov 27 26:49:25 UTC 2026",
                           "Fri Nov 27 06:69:25 UTC 2026",
                           "Fri Nov 27 06:49:25 UTC UTC 2026",
                           "Fri Sat Nov 27 06:49:25 2026",
                           "MemFree: 1795762165 kB",
                           "root 1 0.0 Nov27 06:49",
                           "2026-13-27 06:49:25",
                           "2026-11-27T",
                           "T06:49",
                           "2026-11-27 06:49:25.",
                           "1795762165.1.2",
                           "2026-11-27 13:00:00 PM"})
    EXPECT_FALSE(parse_date(text)) << text;
}

TEST(Date, ACutDateIsNeverAnotherDay) {
  std::string text = "2026-11-27T06:49:25.123+01:00";
  for (std::size_t size = 0; size < text.size(); ++size) {
    auto date = parse_date(text.substr(0, size));
    if (date) {
      EXPECT_LT(std::abs(date->unix_ms / 1000 - kThen), 86'400) << size;
    }
  }
}

}  // namespace
}  // namespace orphan::watch
