// SPDX-License-Identifier: Apache-2.0
#include "logs/frame_text.h"

#include <gtest/gtest.h>

#include "report/format.h"

namespace orphan::logs {
namespace {

std::string shown(std::string_view text, bool is_indented = false) {
  auto frame = read_frame(text, is_indented);
  return frame ? to_string(*frame) : "none";
}

TEST(FrameText, EveryErasFrameIsRead) {
  EXPECT_EQ(shown("    [<c04e1234>] create_object+0x101/0x1b0"), "create_object+0x101/0x1b0");
  EXPECT_EQ(shown("[<00000000e0a73ec7>] widget_probe+0x41/0x1df [widget]"), "widget_probe+0x41/0x1df [widget]");
  EXPECT_EQ(shown("widget_probe+0x41/0x1df [widget]"), "widget_probe+0x41/0x1df [widget]");
  EXPECT_EQ(shown("? widget_probe.isra.0+0x41/0x1df [widget 91fe27aa]"), "widget_probe.isra.0+0x41/0x1df [widget]");
  EXPECT_EQ(shown("[<(____ptrval____)>] f+0x1/0x2"), "f+0x1/0x2");
  EXPECT_EQ(shown("[<000000005c0d2a46>] 0xffffffffc01d2036"), "0xffffffffc01d2036");
  EXPECT_EQ(shown("0xbf004bcc"), "0xbf004bcc");
}

TEST(FrameText, AnAddressThatIsPrintedInFullIsKept_AHashIsNot) {
  EXPECT_EQ(read_frame("[<ffffffff813a73ec>] f+0x1/0x2", false)->address, Addr{0xffffffff813a73ec});
  EXPECT_EQ(read_frame("[<00000000e0a73ec7>] f+0x1/0x2", false)->address, Addr{});
  // Of 32 bits nobody can say.
  EXPECT_EQ(read_frame("[<c04e1234>] f+0x1/0x2", false)->address, Addr{});
}

TEST(FrameText, LinesOfDecodeStacktraceAreRead) {
  auto frame = read_frame("[<00000000e0a73ec7>] widget_probe (drivers/misc/widget.c:123 (discriminator 2)) widget", false);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->symbol, "widget_probe");
  EXPECT_EQ(frame->file, "drivers/misc/widget.c");
  EXPECT_EQ(frame->line, 123u);
  EXPECT_EQ(frame->module, "widget");
  auto both = read_frame("widget_probe+0x41/0x1df (widget.c:9)", false);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->line, 9u);
  EXPECT_EQ(both->offset, 0x41u);
}

TEST(FrameText, ANameAloneIsAFrameOnlyWhereFramesStand) {
  EXPECT_EQ(shown("    kmalloc", true), "kmalloc");
  EXPECT_EQ(shown("    widget_probe [widget]", true), "widget_probe [widget]");
  EXPECT_EQ(shown("Thanks", false), "none");
  EXPECT_EQ(shown("Thanks a lot", true), "none");
}

TEST(FrameText, WhatIsNoFrameIsNone) {
  for (std::string_view text :
       {"", "   ", "[<", "[<>]", "[<zz>]", "0x", "0xzz", "00 01 02 03", "f+0x1", "f+0x1/", "f+0x1/0x", "f+0xg/0x1", "f+0x1/0x2x",
        "f (a.c)", "f (a.c:x)", "comm \"sh\", pid 1", "-- ", "Hi,", "1abc+0x1/0x2"})
    EXPECT_EQ(shown(text), "none") << text;
}

TEST(FrameText, TheEndOfAnOldStackIsTold) {
  EXPECT_TRUE(is_end_of_stack(*read_frame("[<ffffffff>] 0xffffffff", false)));
  EXPECT_TRUE(is_end_of_stack(*read_frame("[<ffffffffffffffff>] 0xffffffffffffffff", false)));
  EXPECT_FALSE(is_end_of_stack(*read_frame("[<fffffffe>] 0xfffffffe", false)));
}

}  // namespace
}  // namespace orphan::logs
