// SPDX-License-Identifier: Apache-2.0
// One look at a kernel: its page map, heaps, tasks and modules, put together into a snapshot that can be marked.
#pragma once
#include <functional>
#include <memory>

#include "kernel/content_rules.h"
#include "kernel/modules.h"
#include "kernel/owners.h"
#include "kernel/page_map.h"
#include "kernel/slub.h"
#include "kernel/stacks.h"
#include "kernel/tasks.h"
#include "kernel/vmalloc.h"
#include "scan/block_index.h"

namespace orphan::kernel {

// Everything that stays the same from look to look.
struct Kernel {
  const KernelMemory& memory;
  CachingMemory& cache;
  const Layouts& layouts;
  const Globals& globals;
  const Self& self;
  Range image;             // as linked: [_text, __end_rodata)
  u64 image_physical = 0;  // of image.start
  StackText stack_text;
  std::vector<Range> code_with_constants = {};  // see code_constants.h
  bool notes_places = false;                    // of root words: where each stands
  PlainPages plain_pages = PlainPages::Roots;
  bool scans_stacks = true;  // stacks of tasks are roots
};

// Memory whose references were not or not reliably seen.
struct LookGaps {
  u64 unread_descriptors = 0;  // pages
  u64 unread_chunks = 0;
  u64 unread_sheaves = 0;
  u64 broken_area_lists = 0;
  bool tasks_incomplete = false;
  bool modules_incomplete = false;
  bool kfence_incomplete = false;
  u64 unmapped_linear_bytes = 0;  // RAM that the page tables do not map: it reads as zeros
};

struct Look {
  Look(const Layouts& layouts, const AddressSpace& space) : filter(layouts, space) {}

  Snapshot snapshot;
  BlockRules filter;
  std::unique_ptr<BlockIndex> index;
  PageMap pages;  // counts and bits; the lists of slabs and compound pages are spent
  Slub slub;
  PerCpu percpu;
  std::vector<Module> modules;
  std::vector<Task> tasks;
  u64 stack_bytes = 0;  // of a task's stack; 0: not known
  LookGaps gaps;
};

struct LookHooks {
  std::function<bool()> keep_going;                // absent: never stops
  std::function<void(std::string_view)> progress;  // what is done next; absent: nobody asks
};

// Interrupted when keep_going says no; any other error means that the kernel cannot be read at all.
Result<std::unique_ptr<Look>> take_look(const Kernel& kernel, Owners& owners, const LookHooks& hooks);

}  // namespace orphan::kernel
