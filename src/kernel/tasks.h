// SPDX-License-Identifier: Apache-2.0
// The kernel's tasks: their stacks, and which of them are ourselves.
#pragma once
#include <string>

#include "kernel/address_space.h"
#include "kernel/layouts.h"

namespace orphan::kernel {

struct Task {
  Addr task;      // its struct task_struct
  Addr stack;     // lowest address of its stack
  Addr saved_sp;  // where its live frames begin, when it is off the CPU
  Addr kthread;   // of a kernel thread: its struct kthread, or nothing
  u32 pid = 0;
  std::string name;  // comm
  bool is_running = false;
  bool is_kernel_thread = false;  // it has no user memory
  bool is_ours = false;           // a thread of this very process
};

// How a kernel's view of this process is told from that of others, across pid namespaces.
struct Self {
  u64 start_stack = 0;           // mm_struct.start_stack, from /proc/self/stat; 0: nobody is us (a dump)
  std::vector<int> descriptors;  // open files of ours that leave the target's words in kernel memory

  static Result<Self> read(std::vector<int> descriptors);
};

struct Tasks {
  std::vector<Task> tasks;
  std::vector<Addr> bounce_buffers;  // kernel memory that holds copies of what we just read
  bool is_complete = true;           // false: the list changed at every try, some tasks may be missing
};

struct TaskSymbols {
  Addr init_task;
  std::optional<Addr> idle_threads;  // per-CPU, a cookie
};

Result<Tasks> read_tasks(const KernelMemory& memory, const TaskLayout& layout, const TaskSymbols& symbols,
                         std::span<const u64> cpu_offsets, const Self& self);

}  // namespace orphan::kernel
