// SPDX-License-Identifier: Apache-2.0
// Messages that a SLUB trace consists of. trace() in mm/slub.c prints a head, for a free the contents of the object, and what
// dump_stack() of that architecture and release prints:
//
//     TRACE kmalloc-4096 alloc 0xc7a50000 inuse=8 fp=0x  (null)
//
//     Backtrace:                                                                 ARM until 3.x
//     [<c0012378>] (dump_backtrace+0x0/0x114) from [<c0366d34>] (dump_stack+0x20/0x24)
//      r6:c0012378 r5:c0366d34 r4:00000000
//     [<c0366d14>] (dump_stack) from [<c00b8d60>] (__slab_alloc+0x1c4/0x3e0)     until 5.13
//      dump_stack from __slab_alloc+0x1c4/0x3e0                                  since 5.14
//     Function entered at [<c0366d14>] from [<c00b8d60>]                         without CONFIG_KALLSYMS
//
//     CPU: 1 PID: 116 Comm: insmod Tainted: G  OE  6.1.0                      x86 and arm64 ("Call trace:")
//     Call Trace:
//      <TASK>
//      dump_stack_lvl+0x44/0x5c
//      ? leak_blocks+0x21/0x8b [leaky]                                           a guess of the unwinder
//      [<ffffffffa0000021>] leak_blocks+0x21/0x8b [leaky]                        until 4.9
//      kmem_cache_alloc+0x49/0x150 (P)                                           arm64 since 6.13
//     [c0000000] [c0000000008b5a2c] dump_stack+0xb0/0xf4 (unreliable)            PowerPC
//
// Everything is views into the line: a frame is looked at far more often than it is new.
#pragma once
#include <array>
#include <span>
#include <string_view>

#include "base/types.h"
#include "report/report.h"

namespace orphan::logs {

// The first line of a record.
struct SlubHead {
  std::string_view cache = {};
  u64 address = 0;  // as printed, which is a hash since 4.15; the same one as long as the kernel runs
  bool is_alloc = false;
  bool is_hidden = false;  // "(____ptrval____)", printed while there is no key yet for the hash
};

enum class HeadState : u8 {
  None,     // it is no head
  Whole,    // up to behind the address
  Damaged,  // it begins as one does, and its end is missing or junk
};
HeadState read_slub_head(std::string_view message, SlubHead& head);

struct FrameText {
  std::string_view name = {};    // "leak_blocks"; empty: only the address is known
  std::string_view symbol = {};  // "leak_blocks+0x21/0x8b [leaky]"; of what has no offset the name
  u64 address = 0;               // 0: it is not printed, or hashed
  bool is_reliable = true;
};

// The frames of one line, innermost first; none: it is no line of a stack. `is_pair`: the first was the last of the line before.
struct FrameLine {
  std::array<FrameText, 2> frames = {};
  std::size_t count = 0;
  bool is_pair = false;

  std::span<const FrameText> all() const { return std::span(frames).first(count); }
};
FrameLine read_frame_line(std::string_view message);

// "leak_blocks+0x21/0x8b [leaky]" in its parts.
Frame frame_of(std::string_view symbol, u64 address);

// The message before a stack: "Call Trace:", "Backtrace: ".
bool is_stack_title(std::string_view message);

// "CPU: 1 PID: 116 Comm: insmod Tainted: …", and "Pid: 116, comm: insmod Not tainted …" until 3.8.
struct TaskLine {
  std::string_view comm = {};
  u64 cpu = 0;
  bool has_cpu = false;
};
bool read_task_line(std::string_view message, TaskLine& task);

// How many messages the message says were lost: "** 12 printk messages dropped **", "Missed 12 kernel messages".
u64 lost_messages(std::string_view message);

// A frame of the printing itself, or of SLUB's inside: by which path it was reached says nothing of who called it.
bool is_frame_of_slub(std::string_view name);
// The printing's outermost function, with which a stack begins.
bool is_frame_of_printing(std::string_view name);

}  // namespace orphan::logs
