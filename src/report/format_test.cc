// SPDX-License-Identifier: Apache-2.0
#include "report/format.h"

#include <gtest/gtest.h>

#include <array>

namespace orphan {
namespace {

TEST(Format, PrintableTextStaysAsItIs) {
  EXPECT_EQ(printable("kmalloc-128 [ext4]~"), "kmalloc-128 [ext4]~");
}

TEST(Format, WhatCouldSteerATerminalIsEscaped) {
  EXPECT_EQ(printable("\x1b[2J\x07"), "\\x1b[2J\\x07");
  EXPECT_EQ(printable("a\nb\r\tc\x7f"), "a\\nb\\r\\tc\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");
  EXPECT_EQ(printable(std::string_view("\0x", 2)), "\\x00x");
}

TEST(Format, AnEscapedTextCannotBeTakenForAnother) {
  EXPECT_EQ(printable("\\n"), "\\\\n");
  EXPECT_EQ(in_quotes("say \"hi\"\\"), "\"say \\\"hi\\\"\\\\\"");
  EXPECT_EQ(in_quotes(""), "\"\"");
}

TEST(Format, EveryByteComesOutAsPrintableAscii) {
  for (int c = 0; c < 256; ++c) {
    for (char out : in_quotes(std::string(1, static_cast<char>(c)))) EXPECT_TRUE(out >= 0x20 && out < 0x7f) << c;
  }
}

TEST(Format, SizesHaveOneDecimalFromAKibibyteOn) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(12'800), "12.5 KiB");
  EXPECT_EQ(human_bytes(u64{45} << 30), "45.0 GiB");
  EXPECT_EQ(human_bytes(~u64{0}), "16.0 EiB");
}

TEST(Format, ASizeIsNeverRoundedUpTo1024) {
  EXPECT_EQ(human_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes((1 << 20) - 100), "1023.9 KiB");
}

TEST(Format, NumbersAreGroupedByThousands) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1'000), "1,000");
  EXPECT_EQ(with_commas(~u64{0}), "18,446,744,073,709,551,615");
  EXPECT_EQ(counted(1, "block"), "1 block");
  EXPECT_EQ(counted(1'000, "block"), "1,000 blocks");
}

TEST(Format, AddressesHaveAtLeastEightDigits) {
  EXPECT_EQ(to_string(Addr{0x1000}), "0x00001000");
  EXPECT_EQ(to_string(Addr{0xffff888104c2d000}), "0xffff888104c2d000");
}

TEST(Format, ATimeIsThatOfGreenwich) {
  EXPECT_EQ(utc(1'700'000'000), "2023-11-14 22:13:20 UTC");
}

TEST(Format, AFrameLooksLikeTheKernelPrintsIt) {
  Frame frame;
  frame.address = Addr{0xffffffffc01d2041};
  frame.symbol = "widget_probe";
  frame.offset = 0x41;
  frame.symbol_size = 0x1df;
  EXPECT_EQ(to_string(frame), "widget_probe+0x41/0x1df");
  frame.module = "widget";
  EXPECT_EQ(to_string(frame), "widget_probe+0x41/0x1df [widget]");
  frame.is_inlined = true;
  EXPECT_EQ(to_string(frame), "widget_probe (inlined)");
  frame.is_inlined = false;
  // Others print frames whose addresses are hidden.
  frame.address = {};
  EXPECT_EQ(to_string(frame), "widget_probe+0x41/0x1df [widget]");
  frame.offset = frame.symbol_size = 0;
  EXPECT_EQ(to_string(frame), "widget_probe [widget]");
  frame.address = Addr{0xffffffffc01d2041};
  frame.symbol.clear();
  EXPECT_EQ(to_string(frame), "0xffffffffc01d2041 [widget]");
  frame.module.clear();
  EXPECT_EQ(to_string(frame), "0xffffffffc01d2041");
}

TEST(Format, TheAsciiPartOfAHexRowStartsAtColumn49HoweverShortTheRow) {
  std::array<std::byte, 17> bytes{};
  for (std::size_t size = 1; size <= 16; ++size) {
    std::string row = hex_row(Bytes(bytes).first(size));
    EXPECT_EQ(row.size(), 49 + size);
    EXPECT_EQ(row.substr(49), std::string(size, '.'));
  }
  EXPECT_EQ(hex_row(bytes), hex_row(Bytes(bytes).first(16)));
}

TEST(Format, AHexDumpEndsWithTheBytesOrTheLimit) {
  std::array<std::byte, 20> bytes{};
  bytes[16] = std::byte{'A'};
  std::string rows = "  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n";
  EXPECT_EQ(hex_dump(bytes, 16, "  "), rows);
  EXPECT_EQ(hex_dump(bytes, 100, "  "), rows + "  41 00 00 00                                      A...\n");
  EXPECT_EQ(hex_dump({}, 100, "  "), "");
}

TEST(Wrapped, LinesEndBeforeTheWidthAndStandBelowEachOther) {
  std::string words;
  for (int n = 0; n < 40; ++n) words += "words ";
  std::string text = wrapped("rule: ", words);
  EXPECT_TRUE(text.starts_with("rule: words words"));
  EXPECT_NE(text.find("\n      words"), std::string::npos);
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find('\n', at);
    EXPECT_LE(end - at, kLineWidth);
    at = end + 1;
  }
}

TEST(Wrapped, ALongBeginningIsNotIndentedAsFar) {
  std::string text = wrapped(std::string(80, 'x') + ": ", std::string(40, 'y') + ' ' + std::string(40, 'z'));
  EXPECT_NE(text.find("\n    zzzz"), std::string::npos) << text;
}

}  // namespace
}  // namespace orphan
