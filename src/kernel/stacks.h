// SPDX-License-Identifier: Apache-2.0
// Which words of a sleeping task's stack keep something alive. Live frames hold dead words, too: those that every task has in
// the same places are left out, because whatever memory they point to was given back long ago and may be a leak by now.
//
// - The scheduler's own frame, on top: the registers that the context switch saved are variables of __schedule(), such as the
//   task that was switched to and may be gone. What __schedule() saved for its caller, up to six registers below the return
//   address, is kept.
// - In a kernel thread, the frames of kthread() and ret_from_fork(), at the bottom: they go on pointing to the struct
//   kthread_create_info that was freed before the thread's function ran. Copies of their words further up are left out as well:
//   saved registers, and what earlier calls left behind. The thread's data loses nothing: struct kthread points to it. What the
//   thread's function saved for kthread() is as dead: kthread() never goes on with it, and one of them is an address on the stack
//   of the thread's creator, who may have ended.
#pragma once
#include <optional>
#include <vector>

#include "base/addr.h"
#include "base/bytes.h"

namespace orphan::kernel {

struct StackText {
  Range kernel;                  // code of the kernel image
  std::optional<Range> kthread;  // of kthread()
  unsigned saved_registers = 0;  // by the function that kthread() called, on entry
};

// `frames` are the bytes from the saved stack pointer, `sp`, to the end of the stack; `switch_frame_bytes` is what the context
// switch pushed (struct inactive_task_frame). Appends what is to be scanned.
struct StackRoots {
  struct Word {
    u64 value;
    Addr at;
  };
  std::vector<Range> ranges;
  std::vector<Word> words;
};
void add_sleeping_stack(Addr sp, Bytes frames, u64 switch_frame_bytes, const StackText& text, StackRoots& roots);

}  // namespace orphan::kernel
