// SPDX-License-Identifier: Apache-2.0
#include "watch/sampler.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "watch/fake_sink.h"
#include "watch/temporary_directory.h"

namespace orphan::watch {
namespace {

const i64 kPage = ::sysconf(_SC_PAGESIZE);

// A machine made of files.
class Machine {
 public:
  const TemporaryDirectory& files() const { return files_; }

  void process(int pid, const std::string& comm, i64 rss_pages, i64 threads = 1, i64 start = 7) const {
    std::string directory = fmt::format("proc/{}/", pid);
    files_.write(directory + "stat", fmt::format("{} ({}) S 1 1 1 0 -1 4194304 10 0 0 0 1 2 0 0 20 0 {} 0 {} 99999 {} "
                                                 "18446744073709551615 1 1 0 0 0",
                                                 pid, comm, threads, start, rss_pages));
    files_.write(directory + "status", fmt::format("Name:\t{}\nVmSwap:\t     {} kB\n", comm, pid));
    files_.write(directory + "smaps_rollup", fmt::format("Rss: 5 kB\nPss:   {} kB\nPss_Dirty: 1 kB\n", pid * 2));
    files_.write(directory + "fd/0", "");
    files_.write(directory + "fd/1", "");
  }
  void end_process(int pid) const { std::filesystem::remove_all(files_.path(fmt::format("proc/{}", pid))); }

 private:
  TemporaryDirectory files_;
};

class Sampling {
 public:
  explicit Sampling(const Machine& machine, std::size_t top = 50) : sampler_({.root = machine.files().path(), .top = top}) {}
  const FakeSink& once() {
    sampler_.sample(sink_);
    sink_.end();
    return sink_;
  }
  std::vector<std::string> skipped() { return sampler_.take_skipped(); }

 private:
  Sampler sampler_;
  FakeSink sink_;
};

TEST(Sampler, TheKernelsAccountsBecomeSeries) {
  Machine machine;
  machine.files().write("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 10 kB\nPercpu: 3 kB\nHugePages_Total: 2\n");
  machine.files().write(
      "proc/slabinfo",
      "slabinfo - version: 2.1\n# name <active_objs>\ndentry 600 640 192 21 2 : tunables 0 0 0 : slabdata 30 31 0\n");
  machine.files().write("proc/vmallocinfo",
                        "0xf0-0xf1 8192 f+0x1/0x2 [leaky] pages=1 vmalloc\n0xf2-0xf3 16384 f+0x9/0x20 [leaky] pages=3 vmalloc\n"
                        "0xf4-0xf5 8192 g+0x1/0x2 ioremap\n");
  machine.files().write("proc/buddyinfo", "Node 0, zone Normal 5 6 7\n");
  machine.files().write("proc/pressure/memory", "some avg10=0.00 total=12\nfull avg10=0.00 total=3\n");
  machine.files().write("proc/allocinfo", "allocinfo - version: 1.0\n2097152 3 a.c:1 func:a\n4096 1 b.c:2 func:b\n");
  Sampling sampling(machine);
  const FakeSink& sink = sampling.once();
  EXPECT_EQ(sink.value("memory//MemFree"), 10 * 1024);
  EXPECT_EQ(sink.value("memory//Percpu"), 3 * 1024);
  EXPECT_EQ(sink.value("memory//HugePages_Total"), 2);
  EXPECT_EQ(sink.value("slab/dentry/active_objects"), 600);
  EXPECT_EQ(sink.value("slab/dentry/bytes"), 31 * 2 * kPage);
  EXPECT_EQ(sink.value("vmalloc/f [leaky]/areas"), 2);
  EXPECT_EQ(sink.value("vmalloc/f [leaky]/bytes"), 4 * kPage);
  EXPECT_EQ(sink.value("vmalloc/g/bytes"), 0);
  EXPECT_EQ(sink.value("buddy/node 0 Normal/order 2"), 7);
  EXPECT_EQ(sink.value("pressure/memory/some"), 12);
  EXPECT_EQ(sink.value("site/a.c:1 func:a/calls"), 3);
  EXPECT_FALSE(sink.value("site/b.c:2 func:b/calls"));
}

TEST(Sampler, ASiteThatGrowsGetsASeries_AndOneThatDoesNotGetsNone) {
  Machine machine;
  Sampling sampling(machine);
  for (i64 i = 0; i < 3; ++i) {
    machine.files().write("proc/allocinfo", fmt::format("{} 3 a.c:1 func:a\n4096 1 b.c:2 func:b\n", 4096 + i * 50'000));
    const FakeSink& sink = sampling.once();
    EXPECT_EQ(sink.value("site/a.c:1 func:a/bytes").has_value(), i == 2);
    EXPECT_FALSE(sink.value("site/b.c:2 func:b/bytes"));
  }
}

TEST(Sampler, WhatIsMissingIsNamedOnce_AndTheRestIsSampled) {
  Machine machine;
  machine.files().write("proc/meminfo", "MemFree: 10 kB\n");
  Sampling sampling(machine);
  EXPECT_EQ(sampling.once().value("memory//MemFree"), 10 * 1024);
  std::vector<std::string> skipped = sampling.skipped();
  auto names = [&](std::string_view name) {
    return std::ranges::count_if(skipped, [&](const std::string& text) { return text.find(name) != std::string::npos; });
  };
  for (const char* name :
       {"/slabinfo", "/vmallocinfo", "/allocinfo", "/buddyinfo", "/pressure", "/cgroup", "/debug/kmemleak", "/run/orphan"})
    EXPECT_EQ(names(name), 1) << name;
  EXPECT_EQ(names("meminfo"), 0);
  sampling.once();
  EXPECT_TRUE(sampling.skipped().empty());
  machine.files().write("proc/buddyinfo", "Node 0, zone DMA 1\n");
  EXPECT_EQ(sampling.once().value("buddy/node 0 DMA/order 0"), 1);
}

TEST(Sampler, LargeProcessesHaveSeries_AndSmallOnesOnlyCount) {
  Machine machine;
  for (int pid = 1; pid <= 9; ++pid) machine.process(pid, "worker", pid * 100, pid);
  Sampling sampling(machine, 2);
  const FakeSink& sink = sampling.once();
  EXPECT_EQ(sink.value("processes//processes"), 9);
  EXPECT_EQ(sink.value("processes//threads"), 45);
  EXPECT_EQ(sink.value("processes//rss"), 4500 * kPage);
  EXPECT_EQ(sink.value("process/worker 9 7/rss"), 900 * kPage);
  EXPECT_EQ(sink.value("process/worker 9 7/swap"), 9 * 1024);
  EXPECT_EQ(sink.value("process/worker 9 7/pss"), 18 * 1024);
  EXPECT_EQ(sink.value("process/worker 9 7/files"), 2);
  EXPECT_EQ(sink.value("process/worker 8 7/threads"), 8);
  EXPECT_FALSE(sink.value("process/worker 7 7/rss"));
}

TEST(Sampler, ASmallProcessThatGrowsIsChosen_AndStaysSo) {
  Machine machine;
  machine.process(1, "large", 100'000);
  machine.process(2, "leaker", 100);
  machine.process(3, "threads", 100, 10);
  machine.process(4, "quiet", 100);
  Sampling sampling(machine, 1);
  EXPECT_FALSE(sampling.once().value("process/leaker 2 7/rss"));
  machine.process(2, "leaker", 500);
  machine.process(3, "threads", 100, 100);
  machine.process(4, "quiet", 110);
  const FakeSink& sink = sampling.once();
  EXPECT_EQ(sink.value("process/leaker 2 7/rss"), 500 * kPage);
  EXPECT_EQ(sink.value("process/threads 3 7/threads"), 100);
  EXPECT_FALSE(sink.value("process/quiet 4 7/rss"));
  machine.process(2, "leaker", 100);
  EXPECT_EQ(sampling.once().value("process/leaker 2 7/rss"), 100 * kPage);
}

TEST(Sampler, AProcessOfTheSameNumberIsAnotherOneWhenItStartedLater) {
  Machine machine;
  machine.process(5, "a", 100);
  Sampling sampling(machine, 1);
  EXPECT_TRUE(sampling.once().value("process/a 5 7/rss"));
  machine.process(5, "a", 100, 1, 8);
  const FakeSink& sink = sampling.once();
  EXPECT_TRUE(sink.value("process/a 5 8/rss"));
  EXPECT_FALSE(sink.value("process/a 5 7/rss"));
  machine.end_process(5);
  EXPECT_EQ(sampling.once().value("processes//processes"), 0);
}

TEST(Sampler, AProcessMayHaveBracketsInItsName_AndKernelThreadsAreNone) {
  Machine machine;
  machine.process(5, "a) S 1 (b\n\x01", 100);
  machine.files().write("proc/6/stat", "6 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0");
  machine.files().write("proc/7/stat", "7 (cut) S 0 0");
  Sampling sampling(machine);
  const FakeSink& sink = sampling.once();
  EXPECT_EQ(sink.value("process/a) S 1 (b?? 5 7/rss"), 100 * kPage);
  EXPECT_EQ(sink.value("processes//processes"), 1);
}

TEST(Sampler, GroupsOfBothVersionsAreRead) {
  Machine two;
  two.files().write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
  two.files().write("sys/fs/cgroup/a/b/memory.current", "4096\n");
  two.files().write("sys/fs/cgroup/a/b/memory.stat", "anon 100\nfile 200\nslab 300\nslab_unreclaimable 250\npgfault 9\n");
  two.files().write("sys/fs/cgroup/a/b/memory.swap.current", "50\n");
  two.files().write("sys/fs/cgroup/a/memory.current", "8192\n");
  Sampling of_two(two);
  const FakeSink& sink = of_two.once();
  EXPECT_EQ(sink.value("cgroup//a/b/current"), 4096);
  EXPECT_EQ(sink.value("cgroup//a/b/slab_unreclaimable"), 250);
  EXPECT_EQ(sink.value("cgroup//a/b/swap"), 50);
  EXPECT_FALSE(sink.value("cgroup//a/b/pgfault"));
  EXPECT_EQ(sink.value("cgroup//a/current"), 8192);

  Machine one;
  one.files().write("sys/fs/cgroup/memory/memory.usage_in_bytes", "9\n");
  one.files().write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "4096\n");
  one.files().write("sys/fs/cgroup/memory/a/memory.kmem.usage_in_bytes", "77\n");
  one.files().write("sys/fs/cgroup/memory/a/memory.stat", "cache 1\nrss 2\ntotal_cache 10\ntotal_rss 20\n");
  Sampling of_one(one);
  const FakeSink& old = of_one.once();
  EXPECT_EQ(old.value("cgroup//a/anon"), 20);
  EXPECT_EQ(old.value("cgroup//a/file"), 10);
  EXPECT_EQ(old.value("cgroup//a/kernel"), 77);
  EXPECT_EQ(old.value("cgroup///current"), 9);
}

TEST(Sampler, OnlyTheLargestGroupsAndThoseThatGrowHaveSeries) {
  Machine machine;
  machine.files().write("sys/fs/cgroup/cgroup.controllers", "memory\n");
  auto set = [&](const std::string& name, i64 bytes) {
    machine.files().write("sys/fs/cgroup/" + name + "/memory.current", std::to_string(bytes));
  };
  set("large", 1 << 30);
  set("small", 4096);
  set("leaks", 4096);
  Sampling sampling(machine, 1);
  EXPECT_EQ(sampling.once().all().count("cgroup//leaks/current"), 0U);
  set("leaks", 4 << 20);
  const FakeSink& sink = sampling.once();
  EXPECT_TRUE(sink.value("cgroup//large/current"));
  EXPECT_TRUE(sink.value("cgroup//leaks/current"));
  EXPECT_FALSE(sink.value("cgroup//small/current"));
}

TEST(Sampler, RecordsOfKmemleakAreCounted_AndAScanThatRunsHoldsNothingUp) {
  Machine machine;
  machine.files().write(
      "sys/kernel/debug/kmemleak",
      "unreferenced object 0xffff888104c2d000 (size 64):\n  comm \"x\"\nunreferenced percpu object 0x5 (size 8):\n");
  std::filesystem::create_directories(machine.files().path("run/orphan/kernel"));
  std::string pipe = machine.files().path("run/orphan/kernel/kmemleak");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  Sampling sampling(machine);
  const FakeSink& first = sampling.once();
  EXPECT_EQ(first.value("kmemleak/kernel/records"), 2);
  EXPECT_FALSE(first.value("kmemleak/orphan/records"));
  // Somebody writes to the pipe at last.
  std::ofstream(pipe) << "unreferenced object 0x1 (size 8):\n";
  std::optional<i64> count;
  for (int i = 0; i < 50 && !count; ++i) count = sampling.once().value("kmemleak/orphan/records");
  EXPECT_EQ(count, 1);
}

TEST(Sampler, ThisMachineHasABootAndMemory) {
  auto origin = this_origin("");
  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->boot_id.size(), 36U);
  EXPECT_FALSE(this_origin("/nowhere"));
  Sampler sampler({});
  FakeSink sink;
  sampler.sample(sink);
  sink.end();
  EXPECT_GT(sink.value("memory//MemTotal"), 0);
  EXPECT_GT(sink.value("processes//processes"), 0);
  Stamp stamp = this_moment();
  EXPECT_GE(stamp.boot_ms, stamp.awake_ms);
}

}  // namespace
}  // namespace orphan::watch
