// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_record.h"

#include <gtest/gtest.h>

#include <string>

#include "report/format.h"

namespace orphan::logs {
namespace {

TEST(SlubRecord, AHeadOfEveryReleaseIsRead) {
  struct Case {
    std::string_view message, cache;
    u64 address;
    bool is_alloc;
  };
  for (const Case& each :
       {Case{"TRACE kmalloc-4096 alloc 0xc7a50000 inuse=8 fp=0x  (null)", "kmalloc-4096", 0xc7a50000, true},
        Case{"TRACE kmalloc-4k free 0x00000000e0a73ec7 inuse=3 fp=0x0000000000000000", "kmalloc-4k", 0xe0a73ec7, false},
        Case{"TRACE dentry alloc 0xffff888104c2d000 inuse=21 fp=0x(null)", "dentry", 0xffff888104c2d000, true},
        Case{"TRACE kmalloc-64(12:a b.service) free 0xffff888104c2d000 inuse=2", "kmalloc-64(12:a b.service)", 0xffff888104c2d000,
             false}}) {
    SlubHead head;
    EXPECT_EQ(read_slub_head(each.message, head), HeadState::Whole) << each.message;
    EXPECT_EQ(head.cache, each.cache);
    EXPECT_EQ(head.address, each.address);
    EXPECT_EQ(head.is_alloc, each.is_alloc);
    EXPECT_FALSE(head.is_hidden);
  }
}

TEST(SlubRecord, AHeadWithoutAnAddressIsHidden) {
  SlubHead head;
  EXPECT_EQ(read_slub_head("TRACE kmalloc-64 alloc 0x(____ptrval____) inuse=1 fp=0x(____ptrval____)", head), HeadState::Whole);
  EXPECT_TRUE(head.is_hidden);
}

TEST(SlubRecord, ACutHeadIsDamagedUntilItsAddressIsWhole) {
  std::string whole = "TRACE kmalloc-64 alloc 0xffff888104c2d000 inuse=1 fp=0x0";
  std::size_t needed = whole.find("inuse=") + 6;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    SlubHead head;
    HeadState expected = size < 6 ? HeadState::None : size < needed ? HeadState::Damaged : HeadState::Whole;
    EXPECT_EQ(read_slub_head(whole.substr(0, size), head), expected) << size;
  }
}

TEST(SlubRecord, BehindTheRestOfAnotherHeadAWholeOneIsFound) {
  SlubHead head;
  EXPECT_EQ(read_slub_head("TRACE kmalloc-64 alloc 0xffffTRACE dentry free 0xffff888104c2d000 inuse=1 fp=0x0", head),
            HeadState::Whole);
  EXPECT_EQ(head.cache, "dentry");
  EXPECT_FALSE(head.is_alloc);
}

TEST(SlubRecord, WrongWordsAreDamaged) {
  for (std::string_view message : {"TRACE kmalloc-64 allot 0xffff888104c2d000 inuse=1", "TRACE alloc 0xffff888104c2d000 inuse=1",
                                   "TRACE kmalloc-64 alloc 0xgg inuse=1", "TRACE kmalloc-64 alloc 0x0 inuse=1",
                                   "TRACE kmalloc-64 alloc 0x11112222333344445 inuse=1"}) {
    SlubHead head;
    EXPECT_EQ(read_slub_head(message, head), HeadState::Damaged) << message;
  }
}

std::string frames(std::string_view message) {
  std::string text;
  FrameLine line = read_frame_line(message);
  for (const FrameText& frame : line.all()) {
    if (!text.empty()) text += line.is_pair ? " < " : " | ";
    text += (frame.is_reliable ? "" : "? ") + to_string(frame_of(frame.symbol, frame.address));
  }
  return text;
}

TEST(SlubRecord, AFrameOfEveryArchitectureIsRead) {
  struct Case {
    std::string_view message, frames;
  };
  for (const Case& each : {
           Case{" dump_stack_lvl+0x44/0x5c", "dump_stack_lvl+0x44/0x5c"},
           Case{" ? leak_blocks+0x21/0x8b [leaky]", "? leak_blocks+0x21/0x8b [leaky]"},
           Case{" leak_blocks+0x21/0x8b [leaky 91fe27aa]", "leak_blocks+0x21/0x8b [leaky]"},
           Case{" ? 0xffffffffc023f000", "? 0xffffffffc023f000"},
           Case{" show_stack+0x18/0x24 (C)", "show_stack+0x18/0x24"},
           Case{" [<ffffffffa0000021>] leak_blocks+0x21/0x8b [leaky]", "leak_blocks+0x21/0x8b [leaky]"},
           Case{" [<ffffffffa0000021>] ? leak_blocks+0x21/0x8b [leaky]", "? leak_blocks+0x21/0x8b [leaky]"},
           Case{"[c000000007b2f8d0] [c0000000008b5a2c] dump_stack+0xb0/0xf4 (unreliable)", "dump_stack+0xb0/0xf4"},
           Case{"([<00000000001127b2>] show_stack+0x9a/0xf0)", "show_stack+0x9a/0xf0"},
           Case{"[<c0012378>] (dump_backtrace+0x0/0x114) from [<c0366d34>] (dump_stack+0x20/0x24)",
                "dump_backtrace+0x0/0x114 < dump_stack+0x20/0x24"},
           Case{"[<bf000100>] (widget_open+0x0/0x90 [widget]) from [<bf000a2c>] (widget_init+0x1/0x2 [widget])",
                "widget_open+0x0/0x90 [widget] < widget_init+0x1/0x2 [widget]"},
           Case{"[<c010f2bc>] (dump_backtrace) from [<c010f57c>] (show_stack+0x20/0x24)",
                "dump_backtrace+0x0/0x0 < show_stack+0x20/0x24"},
           Case{" dump_backtrace from show_stack+0x20/0x24", "dump_backtrace < show_stack+0x20/0x24"},
           Case{" widget_open [widget] from chrdev_open+0xb8/0x1f4", "widget_open [widget] < chrdev_open+0xb8/0x1f4"},
           Case{"Function entered at [<c0012378>] from [<c0366d34>]", "0xc0366d34"},
       }) {
    EXPECT_EQ(frames(each.message), each.frames) << each.message;
  }
}

TEST(SlubRecord, AHashedAddressIsNone_AWholeOneIsKept) {
  EXPECT_EQ(read_frame_line(" [<00000000e0a73ec7>] f+0x1/0x2").frames[0].address, 0U);
  EXPECT_EQ(read_frame_line(" [<ffffffffa0000021>] f+0x1/0x2").frames[0].address, 0xffffffffa0000021);
  EXPECT_EQ(read_frame_line("[<c0012378>] (f+0x0/0x2) from [<c0366d34>] (g+0x1/0x2)").frames[1].address, 0xc0366d34);
}

TEST(SlubRecord, OtherLinesOfAStackAreNoFrames) {
  for (std::string_view message :
       {" <TASK>", "RIP: 0033:0x47fbe9", "RIP: 0010:widget_open+0x28/0x90", " r6:c7801e00 r5:c7a50000 r4:c04e5a00",
        "Exception stack(0xc2041fa8 to 0xc2041ff0)", "1fa0:                   00000000 00000000",
        "Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2 04/01/2014", "", " ", "[", "[<",
        "pc : widget_open+0x1/0x2", "Object c7a50000: 6b 6b 6b", "DHCPREQUEST for 192.0.2.7 on eth0 from 192.0.2.1",
        "---[ end trace 0000000000000000 ]---"}) {
    EXPECT_EQ(frames(message), "") << message;
  }
}

TEST(SlubRecord, TheTaskIsReadWithTheBlanksInItsName) {
  TaskLine task;
  EXPECT_TRUE(read_task_line("CPU: 3 PID: 77 Comm: widget daemon Not tainted 6.1.0", task));
  EXPECT_EQ(task.comm, "widget daemon");
  EXPECT_EQ(task.cpu, 3U);
  EXPECT_TRUE(read_task_line("CPU: 1 UID: 0 PID: 116 Comm: insmod Tainted: G           OE      6.13.0", task));
  EXPECT_EQ(task.comm, "insmod");
  EXPECT_TRUE(read_task_line("Pid: 116, comm: insmod Not tainted 2.6.32", task));
  EXPECT_EQ(task.comm, "insmod");
  EXPECT_FALSE(task.has_cpu);
  EXPECT_FALSE(read_task_line("CPU features: 0x1", task));
}

TEST(SlubRecord, WhatTheLogSaysItHasLostIsCounted) {
  EXPECT_EQ(lost_messages("** 12 printk messages dropped **"), 12U);
  EXPECT_EQ(lost_messages("** 12 printk messages dropped ** [ 1234.567890] TRACE"), 12U);
  EXPECT_EQ(lost_messages("Missed 7 kernel messages"), 7U);
  EXPECT_EQ(lost_messages("Missed interrupt"), 0U);
}

TEST(SlubRecord, AnyPartOfALineIsRead) {
  std::string text = "[<bf000100>] (widget_open+0x0/0x90 [widget]) from [<bf000a2c>] (widget_init+0x1/0x2 [widget])";
  for (std::size_t begin = 0; begin < text.size(); ++begin) {
    for (std::size_t size = 0; size <= text.size() - begin; ++size) {
      FrameLine line = read_frame_line(std::string_view(text).substr(begin, size));
      EXPECT_LE(line.count, 2U);
    }
  }
}

}  // namespace
}  // namespace orphan::logs
