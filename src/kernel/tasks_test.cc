// SPDX-License-Identifier: Apache-2.0
// Tasks, and which words of them and of their stacks keep something alive.
#include "kernel/tasks.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr Verdict H = Verdict::Held, L = Verdict::Leaked;
constexpr u64 kStackBytes = FakeKernel::kStackPages * kPageBytes;
constexpr u64 kHalf = kStackBytes / 2;  // where a stack pointer is at first

class TasksTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  Addr task_ = kernel_.add_task(42);
  Addr target_ = kernel_.kmalloc(64);

  // What becomes of the target when only the word at `at` points to it.
  Verdict with_pointer_at(Addr at) {
    u64 was = kernel_.word(at);
    kernel_.point(at, target_);
    Verdict verdict = kernel_.verdict(target_);
    kernel_.put_word(at, was);
    return verdict;
  }
  Verdict in_task(Addr task, std::string_view member, u64 offset = 0) {
    return with_pointer_at(kernel_.member(task, "task_struct", member) + offset);
  }
  Addr registers_of(Addr task) const {
    if (!GetParam().fpu_follows) return kernel_.member(task, "task_struct", "thread.fpu.__fpstate");
    return kernel_.member(task + kernel_.types().size("task_struct"), "fpu", "__fpstate");
  }
  void put(Addr task, std::string_view member, u64 value) { kernel_.put(task, "task_struct", member, value); }
  Tasks read() {
    std::array<u64, 2> offsets{kernel_.cpu_offset(0), kernel_.cpu_offset(1)};
    auto tasks = read_tasks(kernel_.memory(), kernel_.layouts().task, kernel_.globals.tasks, offsets, kernel_.self);
    VERIFY(bool(tasks));
    return std::move(*tasks);
  }
  bool is_found(Addr task) {
    Tasks tasks = read();
    return std::ranges::count(tasks.tasks, task, &Task::task) == 1;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TasksTest, testing::ValuesIn(kVersions), version_name);

// --- the list ---

TEST_P(TasksTest, ProcessesTheirThreadsAndIdleTasksAreFound_EachOnce) {
  Addr thread = kernel_.add_thread(task_, 43), second = kernel_.add_thread(task_, 44);
  Addr other = kernel_.add_thread(kernel_.init_task(), 45);
  for (Addr task : {kernel_.init_task(), task_, thread, second, other}) EXPECT_TRUE(is_found(task));
  EXPECT_EQ(read().tasks.size(), 6U) << "and the task that every fake kernel has";
  Addr idle = kernel_.kmalloc(kernel_.types().size("task_struct"));  // of the second CPU, on no list
  EXPECT_FALSE(is_found(idle));
  kernel_.put_word(*kernel_.globals.tasks.idle_threads + kernel_.cpu_offset(1), idle.value);
  EXPECT_TRUE(is_found(idle));
}

TEST_P(TasksTest, ATaskTellsItsStackAndItsState) {
  put(task_, "on_cpu", 1);
  Tasks tasks = read();
  auto found = std::ranges::find(tasks.tasks, task_, &Task::task);
  ASSERT_NE(found, tasks.tasks.end());
  EXPECT_EQ(found->pid, 42U);
  EXPECT_EQ(found->stack, kernel_.stack_of(task_));
  EXPECT_EQ(found->saved_sp, kernel_.stack_of(task_) + kHalf);
  EXPECT_TRUE(found->is_running);
  EXPECT_FALSE(found->is_ours);
}

TEST_P(TasksTest, WhatStandsBesideTheStateOfATaskIsNotTakenForIt) {
  Addr beside = kernel_.member(task_, "task_struct", "on_cpu") + kernel_.types().member("task_struct", "on_cpu").size_bytes;
  kernel_.put_word(beside, ~u64{0});
  Tasks tasks = read();
  EXPECT_FALSE(std::ranges::find(tasks.tasks, task_, &Task::task)->is_running);
}

TEST_P(TasksTest, OnlyATaskWithOurStacksStartIsOurs) {
  kernel_.make_ours(task_);
  Addr thread = kernel_.add_thread(task_, 43);
  for (const Task& task : read().tasks) EXPECT_EQ(task.is_ours, task.task == task_ || task.task == thread);
  kernel_.self.start_stack += 16;
  for (const Task& task : read().tasks) EXPECT_FALSE(task.is_ours);
  kernel_.self.start_stack = 0;  // a dump: nobody is us
  for (const Task& task : read().tasks) EXPECT_FALSE(task.is_ours);
}

TEST_P(TasksTest, ADamagedListIsAGap_AndEnds) {
  Addr link = kernel_.member(task_, "task_struct", "tasks");
  Addr thread = kernel_.member(task_, "task_struct", "thread_node");
  struct Case {
    const char* what;
    Addr at;
    u64 to;
  };
  for (const Case& c :
       {Case{"a circle of processes", link, link.value}, Case{"a wild process", link, 0xdead'0000'0000'0100},
        Case{"a circle of threads", thread, thread.value}, Case{"a wild thread", thread, 0x8},
        Case{"another's threads", thread, kernel_.member(kernel_.init_task(), "task_struct", "thread_node").value},
        Case{"no signals", kernel_.member(task_, "task_struct", "signal"), 0}}) {
    u64 was = kernel_.word(c.at);
    kernel_.put_word(c.at, c.to);
    EXPECT_TRUE(kernel_.scan().look->gaps.tasks_incomplete) << c.what;
    kernel_.put_word(c.at, was);
    EXPECT_FALSE(kernel_.scan().look->gaps.tasks_incomplete) << c.what;
  }
}

TEST_P(TasksTest, AListThatChangesWhileItIsReadIsReadAgain) {
  Addr link = kernel_.member(task_, "task_struct", "tasks");
  u64 was = kernel_.word(link);
  kernel_.put_word(link, 0x8);
  kernel_.ram().watch({task_, 8}, [&](u64 n) {
    if (n == 2) kernel_.put_word(link, was);
  });
  Tasks tasks = read();
  EXPECT_TRUE(tasks.is_complete);
  EXPECT_EQ(tasks.tasks.size(), 3U) << "each task once";
}

TEST_P(TasksTest, ATaskThatExitsAfterTheSlabsWereReadDoesNotHideTheOthers) {
  std::vector<Addr> tasks{task_};
  for (u32 pid = 50; pid < 60; ++pid) tasks.push_back(kernel_.add_task(pid));
  // Of a slab with free objects the contents are kept, and with them the list as it was. The next slab is full.
  kernel_.exit_task(tasks[1]);
  kernel_.free(tasks[1]);
  u64 kept = kernel_.slab_of(tasks[0]).frame;
  Addr dying = *std::ranges::find_if(tasks, [&](Addr task) { return kernel_.slab_of(task).frame != kept; });
  kernel_.ram().watch({kernel_.init_task(), 8}, [&](u64 n) {
    if (n == 1) kernel_.exit_task(dying);
  });
  FakeScan scan = kernel_.scan();
  EXPECT_FALSE(scan.look->gaps.tasks_incomplete);
  Addr last = kernel_.stack_of(tasks.back());
  EXPECT_TRUE(std::ranges::any_of(scan.look->snapshot.roots,
                                  [&](const Root& root) { return Range(last, kStackBytes).contains(root.range.start); }));
}

// --- stacks ---

TEST_P(TasksTest, AStackCountsFromTheSavedStackPointerUp_NotBelow) {
  for (Addr task : {task_, kernel_.init_task(), kernel_.add_thread(task_, 43)}) {
    Addr stack = kernel_.stack_of(task);
    EXPECT_EQ(with_pointer_at(stack + kHalf - 8), L);
    EXPECT_EQ(with_pointer_at(stack + kHalf), H);
    EXPECT_EQ(with_pointer_at(stack + kStackBytes - 8), H);
    put(task, "thread.sp", (stack + kStackBytes - 64).value);
    EXPECT_EQ(with_pointer_at(stack + kHalf), L);
    EXPECT_EQ(with_pointer_at(stack + kStackBytes - 64), H);
  }
}

TEST_P(TasksTest, TheStackOfARunningTaskCountsWhole_AlsoWhenItsStackPointerIsNotInIt) {
  Addr stack = kernel_.stack_of(task_);
  EXPECT_EQ(with_pointer_at(stack), L);
  put(task_, "on_cpu", 1);
  EXPECT_EQ(with_pointer_at(stack), H);
  put(task_, "on_cpu", 0);
  put(task_, "thread.sp", 0x1234);
  EXPECT_EQ(with_pointer_at(stack), H);
}

TEST_P(TasksTest, WhereStacksAreNoRootsNeitherASleepingTasksCountsNorARunningOnes) {
  kernel_.scans_stacks = false;
  Addr stack = kernel_.stack_of(task_);
  EXPECT_EQ(with_pointer_at(stack + kHalf), L);
  put(task_, "on_cpu", 1);
  EXPECT_EQ(with_pointer_at(stack + kHalf), L);
}

TEST_P(TasksTest, OurOwnStackDoesNotCount_NorThatOfAThreadOfOurs) {
  Addr thread = kernel_.add_thread(task_, 43);
  for (Addr task : {task_, thread}) EXPECT_EQ(with_pointer_at(kernel_.stack_of(task) + kHalf), H);
  kernel_.make_ours(task_);
  put(thread, "mm", kernel_.value(task_, "task_struct", "mm"));
  for (Addr task : {task_, thread}) {
    put(task, "on_cpu", 1);
    EXPECT_EQ(with_pointer_at(kernel_.stack_of(task) + kHalf), L);
  }
}

TEST_P(TasksTest, TheStackOfATaskThatIsGoneDoesNotCount_ItsHeaderForRcuDoes) {
  FakeArea dead = kernel_.add_area(FakeKernel::kStackPages, FakeKernel::kStackCaller);
  kernel_.add_root_to(dead.start);
  EXPECT_EQ(with_pointer_at(dead.start + kHalf), L);
  EXPECT_EQ(with_pointer_at(dead.start + 8), H);
  FakeArea other = kernel_.add_area(FakeKernel::kStackPages, FakeKernel::kText + 0x999);
  kernel_.add_root_to(other.start);
  EXPECT_EQ(with_pointer_at(other.start + kHalf), H) << "an area that is no stack";
}

TEST_P(TasksTest, TheHeaderOfAStackThatACpuKeepsForTheNextForkIsStale) {
  FakeArea dead = kernel_.add_area(FakeKernel::kStackPages, FakeKernel::kStackCaller);
  EXPECT_EQ(with_pointer_at(dead.start + 8), H);
  kernel_.put_word(*kernel_.globals.cached_stacks + kernel_.cpu_offset(1) + 8, dead.vm.value);
  EXPECT_EQ(with_pointer_at(dead.start + 8), L);
}

TEST_P(TasksTest, TheStackOfKthreaddDoesNotCount) {
  EXPECT_EQ(with_pointer_at(kernel_.stack_of(task_) + kHalf), H);
  kernel_.globals.kthreadd_task = kernel_.add_root_to(task_);
  EXPECT_EQ(with_pointer_at(kernel_.stack_of(task_) + kHalf), L);
}

TEST_P(TasksTest, TheStackOfKhungtaskdDoesNotCount) {
  EXPECT_EQ(with_pointer_at(kernel_.stack_of(task_) + kHalf), H);
  kernel_.globals.watchdog_task = kernel_.add_root_to(task_);
  EXPECT_EQ(with_pointer_at(kernel_.stack_of(task_) + kHalf), L);
}

TEST_P(TasksTest, TheSchedulersFrameDoesNotCount_WhatItSavedForItsCallerDoes) {
  Addr sp = kernel_.stack_of(task_) + kHalf;
  u64 switched = kernel_.types().size("inactive_task_frame");
  u64 return_address = align_up(switched, 8) + 20 * 8;
  EXPECT_EQ(with_pointer_at(sp), H);
  kernel_.put_word(sp + return_address, FakeKernel::kText.value + 0x500);
  EXPECT_EQ(with_pointer_at(sp), L);
  EXPECT_EQ(with_pointer_at(sp + return_address - 7 * 8), L);
  EXPECT_EQ(with_pointer_at(sp + return_address - 6 * 8), H);
  EXPECT_EQ(with_pointer_at(sp + return_address + 8), H);
}

TEST_P(TasksTest, TheFramesBelowAKernelThreadsFunctionDoNotCount_OfAProcessTheyDo) {
  kernel_.stack_text.kthread = Range{FakeKernel::kText + 0x800, 0x80};
  Addr call = kernel_.stack_of(task_) + kStackBytes - 256;
  kernel_.put_word(call, FakeKernel::kText.value + 0x840);
  EXPECT_EQ(with_pointer_at(call + 16), L);
  EXPECT_EQ(with_pointer_at(call - 16), H);
  kernel_.put(task_, "task_struct", "mm", kernel_.kmalloc(64));
  EXPECT_EQ(with_pointer_at(call + 16), H);
}

TEST_P(TasksTest, RegistersThatAKernelThreadsFunctionSavedDoNotCount_ItsVariablesDo) {
  kernel_.stack_text.kthread = Range{FakeKernel::kText + 0x800, 0x80};
  Addr call = kernel_.stack_of(task_) + kStackBytes - 256;
  kernel_.put_word(call, FakeKernel::kText.value + 0x840);
  Addr function = FakeKernel::kText + 0x900;
  for (u64 i = 0; i < 8; ++i) kernel_.ram().put(function + i, u8(i < 2 ? 0x55 : 0xc3));  // twice push %rbp; ret
  EXPECT_EQ(with_pointer_at(call - 8), H);
  Addr kthread = kernel_.kmalloc(64);
  kernel_.put(kthread, "kthread", "threadfn", function);
  put(task_, GetParam().has_slab ? "worker_private" : "set_child_tid", kthread.value);
  EXPECT_EQ(with_pointer_at(call - 8), L);
  EXPECT_EQ(with_pointer_at(call - 16), L);
  EXPECT_EQ(with_pointer_at(call - 24), H);
  kernel_.put(kthread, "kthread", "threadfn", kthread);
  EXPECT_EQ(with_pointer_at(call - 8), H) << "that is no code";
}

// --- the task itself ---

TEST_P(TasksTest, UserSpacesRegistersDoNotCount_WhatStandsBeforeThemDoes) {
  u32 fpu = kernel_.types().member("fpu", "__fpstate").size_bytes;
  EXPECT_EQ(with_pointer_at(registers_of(task_)), L);
  EXPECT_EQ(with_pointer_at(registers_of(task_) + (fpu - 8)), L);
  EXPECT_EQ(with_pointer_at(registers_of(task_) - 8), H);
  EXPECT_EQ(in_task(task_, "comm"), H);
}

TEST_P(TasksTest, LinksOfTheSchedulersQueuesDoNotCount_OtherLinksDo) {
  EXPECT_EQ(in_task(task_, "se.run_node"), L);
  EXPECT_EQ(in_task(task_, "se.run_node", 16), L);
  EXPECT_EQ(in_task(task_, "se.group_node", 8), L);
  EXPECT_EQ(in_task(task_, "se.group_node", 16), H) << "behind them";
  EXPECT_EQ(in_task(task_, "last_wakee"), L);
  EXPECT_EQ(in_task(task_, "files"), H);
}

TEST_P(TasksTest, ATaskThatIsNoTaskAnyMoreIsFilteredLikeOne_ItIsInTheirCache) {
  Addr dying = kernel_.add_task(50);
  put(dying, "pid", 0);
  // On no list, but something holds it still.
  Addr link = kernel_.member(task_, "task_struct", "tasks");
  kernel_.link(kernel_.member(kernel_.init_task(), "task_struct", "tasks"), std::array{link});
  kernel_.add_root_to(dying);
  EXPECT_EQ(with_pointer_at(registers_of(dying)), L);
  EXPECT_EQ(in_task(dying, "comm"), H);
}

TEST_P(TasksTest, TheBufferOfOurOpenFileIsACopyOfWhatWeRead_AnotherProcesssIsNot) {
  Addr buffer = kernel_.make_ours(task_);
  EXPECT_EQ(with_pointer_at(buffer + 512), L);
  EXPECT_EQ(kernel_.verdict(buffer), H) << "the buffer itself is no leak";
  kernel_.self.descriptors = {4};
  EXPECT_EQ(with_pointer_at(buffer + 512), H);
  kernel_.self = {};
  EXPECT_EQ(with_pointer_at(buffer + 512), H);
}

TEST_P(TasksTest, AnOpenFileThatCannotBeFollowedDoesNoHarm) {
  kernel_.make_ours(task_);
  Addr files{kernel_.value(task_, "task_struct", "files")};
  for (std::string_view damage : {"descriptor", "table", "files"}) {
    if (damage == "descriptor") kernel_.self.descriptors = {-1, 3, 63, 64, 1 << 30};
    if (damage == "table") kernel_.put(files, "files_struct", "fdt", 0x1000);
    if (damage == "files") put(task_, "files", 0xdead'0000'0000'0000);
    EXPECT_EQ(kernel_.verdict(target_), L) << damage;
  }
}

TEST(Self, IsReadFromTheRunningProcess) {
  auto self = Self::read({7, 8});
  ASSERT_TRUE(self);
  EXPECT_NE(self->start_stack, 0U);
  EXPECT_EQ(self->descriptors, (std::vector<int>{7, 8}));
}

}  // namespace
}  // namespace orphan::kernel
