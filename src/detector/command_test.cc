// SPDX-License-Identifier: Apache-2.0
#include "detector/command.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace orphan {
namespace {

using Kind = Command::Kind;

constexpr u64 kNone = 0;
constexpr u64 kMostU32 = 0xffff'ffff, kMostU64 = ~u64{0};

struct Accepted {
  std::string text;
  Kind kind;
  u64 number = kNone;
};
void expect_accepted(const Accepted& c) {
  auto command = parse_command(c.text);
  ASSERT_TRUE(command) << '"' << c.text << "\" is errno " << command.error();
  EXPECT_EQ(*command, (Command{c.kind, c.number})) << '"' << c.text << '"';
}

struct Refused {
  std::string text;
  int error;
};
void expect_refused(const Refused& c) {
  auto command = parse_command(c.text);
  ASSERT_FALSE(command) << '"' << c.text << '"';
  EXPECT_EQ(command.error(), c.error) << '"' << c.text << '"';
}

TEST(Command, EveryWordIsKnown_WithANewlineOrWithout) {
  const Accepted cases[] = {
      {"clear", Kind::Clear},
      {"off", Kind::Off},
      {"on", Kind::On},
      {"stack=on", Kind::StackOn},
      {"stack=off", Kind::StackOff},
      {"scan=on", Kind::ScanOn},
      {"scan=off", Kind::ScanOff},
      {"scan=7", Kind::ScanPeriod, 7},
      {"scan", Kind::Scan},
      {"dump=16", Kind::Dump, 16},
      {"status", Kind::Status},
      {"age=3", Kind::Age, 3},
      {"why=0x20", Kind::Why, 32},
      {"forget", Kind::Forget},
  };
  for (Accepted c : cases) {
    expect_accepted(c);
    c.text += '\n';
    expect_accepted(c);
  }
}

TEST(Command, WordsOfKmemleakAreKnownByTheirBeginning_OursOnlyWhole) {
  for (const Accepted& c :
       {Accepted{"clearly", Kind::Clear}, Accepted{"clear\n\n", Kind::Clear}, Accepted{"clear off", Kind::Clear},
        Accepted{"office", Kind::Off}, Accepted{"stack=only", Kind::StackOn}, Accepted{"stack=offx", Kind::StackOff},
        Accepted{"scan=on1", Kind::ScanOn}, Accepted{"scan=offer", Kind::ScanOff}, Accepted{"scanx", Kind::Scan},
        Accepted{"scan 600", Kind::Scan}, Accepted{"scanning=on", Kind::Scan}})
    expect_accepted(c);
  for (const char* text : {"online", "on ", "on\n\n", " on", "statuses", "status ", "status\n\n", "forgetful", "forget 1"})
    expect_refused({text, EINVAL});
}

TEST(Command, WhatIsNoWordIsRefused) {
  for (const char* text : {"",       "\n",    "clea",  "of",     "o",       "sca",     "scam",     " scan",
                           "Scan",   "SCAN",  "stack", "stack=", "stack=o", "stack=1", "stack on", "dump",
                           "dump 1", "statu", "age",   "age 1",  "why",     "forge",   "help",     "\xff\xff"})
    expect_refused({text, EINVAL});
}

TEST(Command, NumbersAreReadAsTheKernelReadsThem) {
  const Accepted cases[] = {
      {"scan=0", Kind::ScanPeriod, 0},
      {"scan=00", Kind::ScanPeriod, 0},
      {"scan=+5", Kind::ScanPeriod, 5},
      {"scan=010", Kind::ScanPeriod, 8},
      {"scan=0x10", Kind::ScanPeriod, 16},
      {"scan=0XaF", Kind::ScanPeriod, 0xaf},
      {"scan=+0x1", Kind::ScanPeriod, 1},
      {"scan=4294967295", Kind::ScanPeriod, kMostU32},
      {"scan=0xffffffff\n", Kind::ScanPeriod, kMostU32},
      {"scan=037777777777", Kind::ScanPeriod, kMostU32},
      {"age=0", Kind::Age, 0},
      {"age=4294967295", Kind::Age, kMostU32},
      {"dump=0xffff888104c2d000", Kind::Dump, 0xffff'8881'04c2'd000},
      {"dump=18446744073709551615", Kind::Dump, kMostU64},
      {"dump=0xffffffffffffffff", Kind::Dump, kMostU64},
      {"dump=01777777777777777777777", Kind::Dump, kMostU64},
      {"dump=0x0000000000000000000000001", Kind::Dump, 1},
      {"why=0xFFFF888104C2D000", Kind::Why, 0xffff'8881'04c2'd000},
  };
  for (const Accepted& c : cases) expect_accepted(c);
}

TEST(Command, WhatIsNoNumberIsRefused) {
  for (std::string_view word : {"scan=", "dump=", "age=", "why="}) {
    for (std::string_view number : {"",     "\n", "junk", "-1",   "-0",  "++1", "+-1", "+",   " 1",   "1 ",   "1x",   "1\n\n",
                                    "1\n ", "08", "0x",   "0x\n", "0xg", "x1",  "1.5", "0b1", "ffff", "0x1g", "1,000"})
      expect_refused({std::string(word) + std::string(number), EINVAL});
  }
}

TEST(Command, ANumberThatDoesNotFitIsOutOfRange) {
  for (const char* text : {"scan=4294967296", "scan=99999999999", "scan=0x100000000", "scan=18446744073709551615",
                           "scan=18446744073709551616", "age=4294967296", "why=99999999999999999999999"})
    expect_refused({text, ERANGE});
  for (const char* text : {"dump=18446744073709551616", "dump=0x10000000000000000", "dump=02000000000000000000000"})
    expect_refused({text, EINVAL});  // kmemleak says so of an address
  // Of what does not fit 64 bits the kernel does not look at the rest; of what does, the junk counts first.
  expect_refused({"scan=18446744073709551616junk", ERANGE});
  expect_refused({"scan=4294967296junk", EINVAL});
}

TEST(Command, OfKmemleaksWordsOnly63BytesCount) {
  std::string zeros(57, '0');
  expect_accepted({"scan=" + zeros + "7", Kind::ScanPeriod, 7});      // the 63rd
  expect_accepted({"scan=" + zeros + "07", Kind::ScanPeriod, 0});     // the 64th
  expect_accepted({"scan=" + zeros + "7junk", Kind::ScanPeriod, 7});  // from the 64th on
  expect_refused({"scan=" + zeros + "j", EINVAL});                    // the 63rd
  expect_accepted({"dump=" + zeros + "7\n", Kind::Dump, 7});
  expect_accepted({"scan" + std::string(1000, 'x'), Kind::Scan});
  expect_accepted({"clear" + std::string(1 << 20, 'x'), Kind::Clear});
  expect_refused({std::string(64, 'x'), EINVAL});
}

TEST(Command, OursOfMoreThan63BytesAreRefusedAndNotCut) {
  std::string zeros(58, '0');
  expect_accepted({"why=" + zeros + "7", Kind::Why, 7});
  expect_refused({"why=" + zeros + "07", EINVAL});
  expect_refused({"why=" + zeros + "7\n", EINVAL});
}

TEST(Command, ANulByteEndsTheText) {
  using namespace std::string_literals;
  expect_accepted({"scan=5\0junk"s, Kind::ScanPeriod, 5});
  expect_accepted({"on\0junk"s, Kind::On});
  expect_accepted({"on\0"s + std::string(100, 'x'), Kind::On});
  expect_accepted({"scan\0=5"s, Kind::Scan});
  expect_refused({"clea\0r"s, EINVAL});
  expect_refused({"\0clear"s, EINVAL});
}

TEST(Command, WhileOffOnlyWhatTurnsOnTellsOrReclaimsIsAllowed) {
  constexpr Kind kAllowed[] = {Kind::Clear, Kind::On, Kind::Status};
  constexpr Kind kRefused[] = {Kind::Off,  Kind::StackOn, Kind::StackOff, Kind::ScanOn, Kind::ScanOff, Kind::ScanPeriod,
                               Kind::Scan, Kind::Dump,    Kind::Age,      Kind::Why,    Kind::Forget};
  for (Kind kind : kAllowed) EXPECT_TRUE(is_allowed_when_off(kind)) << static_cast<int>(kind);
  for (Kind kind : kRefused) EXPECT_FALSE(is_allowed_when_off(kind)) << static_cast<int>(kind);
  EXPECT_EQ(std::size(kAllowed) + std::size(kRefused), static_cast<std::size_t>(Kind::Forget) + 1);
}

TEST(ScanPeriod, IsInMilliseconds_AtMostWhatFits_AndZeroLeavesItAsItIs) {
  EXPECT_EQ(scan_period_ms(0), std::nullopt);
  EXPECT_EQ(scan_period_ms(1), 1000U);
  EXPECT_EQ(scan_period_ms(600), 600'000U);
  EXPECT_EQ(scan_period_ms(4'294'967), 4'294'967'000U);
  EXPECT_EQ(scan_period_ms(4'294'968), kMostU32);
  EXPECT_EQ(scan_period_ms(kMostU32), kMostU32);
  EXPECT_EQ(scan_period_ms(kMostU64), kMostU32);
}

}  // namespace
}  // namespace orphan
