// SPDX-License-Identifier: Apache-2.0
// A kernel that lies, or is torn while it is read: whatever the bytes are, a scan ends, with an error or with an answer.
#include <gtest/gtest.h>

#include <random>
#include <ranges>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

// A kernel with something of everything, and with objects that are held by one pointer each, from all kinds of memory.
class HostileTest : public testing::TestWithParam<FakeVersion> {
 protected:
  HostileTest() {
    if (GetParam().has_cpu_slab) kernel_.make_cpu_slab(kernel_.kmalloc(64), 0);
    if (GetParam().barns != FakeBarns::None) fill_sheaves();
    kernel_.make_ours(kernel_.add_task(7));
    Addr task = kernel_.add_task(8), thread = kernel_.add_thread(task, 9);
    FakeArea area = kernel_.add_area(2);
    Addr near = kernel_.add_percpu(64), far = kernel_.add_percpu_far(64);
    Addr block = kernel_.page(kernel_.add_large_kmalloc(1)), page = kernel_.page(kernel_.add_plain_pages());
    Addr data = kernel_.add_module("leaky").data.start;
    for (Addr held : {area.start, near, far, block}) kernel_.add_root_to(held);
    for (Addr holder :
         {kernel_.stack_of(task) + 3 * kPageBytes, kernel_.stack_of(thread) + 3 * kPageBytes, area.start + kPageBytes,
          near + kernel_.cpu_offset(1), far + kernel_.cpu_offset(0), block + kPageBytes, page + 64, data + 64,
          kernel_.percpu_variable(0x100) + kernel_.cpu_offset(1), *kernel_.globals.init_stack + 3 * kPageBytes}) {
      kernel_.point(holder, kernel_.kmalloc(128));
    }
    kernel_.put(kernel_.descriptor(kernel_.add_plain_pages()), "page", "private", kernel_.kmalloc(128));
  }
  void fill_sheaves() {
    u32 cache = kernel_.add_cache({.name = "shelved", .object_bytes = 64, .sheaf_capacity = 4});
    auto sheaf = [&] { return kernel_.add_sheaf(cache, std::array{kernel_.allocate(cache), kernel_.allocate(cache)}); };
    kernel_.give_sheaf(cache, 0, "main", sheaf());
    kernel_.give_sheaf(cache, 1, "rcu_free", sheaf());
    kernel_.put_in_barn(cache, 1, "sheaves_full", std::array{sheaf(), sheaf()});
    kernel_.defer_frees(1, std::array{kernel_.allocate(cache)});
  }
  FakeKernel kernel_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Versions, HostileTest, testing::ValuesIn(kVersions), version_name);

TEST_P(HostileTest, WhenTheNthReadFailsTheScanEndsWithAnErrorOrWithGaps_ForEveryN) {
  u64 start = kernel_.ram().reads();
  FakeScan whole = kernel_.scan();
  u64 reads = kernel_.ram().reads() - start;
  u64 silent = 0;
  for (u64 n = 1; n <= reads; ++n) {
    kernel_.ram().fail_read(n);
    auto scan = kernel_.try_scan();
    if (!scan) continue;
    const LookGaps& gaps = scan->look->gaps;
    bool is_told = gaps.unread_descriptors + gaps.unread_chunks + gaps.broken_area_lists != 0 || gaps.tasks_incomplete ||
                   gaps.modules_incomplete || gaps.kfence_incomplete || gaps.unmapped_linear_bytes != 0 ||
                   scan->marked.unread_bytes != 0 || scan->look->slub.unstable_slabs != 0 || scan->look->slub.reread_slabs != 0 ||
                   gaps.unread_sheaves != 0;
    bool is_same = scan->marked.reached.count() == whole.marked.reached.count();
    silent += is_told || is_same ? 0 : 1;
  }
  EXPECT_EQ(silent, 0U) << "of " << reads << " reads";
}

TEST_P(HostileTest, OfCachesThatMakeNoSenseTheListStillEnds) {
  Addr cache = kernel_.cache(2).address, link = kernel_.member(cache, "kmem_cache", "list");
  u64 was = kernel_.word(link);
  kernel_.point(link, link);
  EXPECT_FALSE(kernel_.try_scan()) << "a circle";
  kernel_.put(cache, "kmem_cache", "size", 0);
  EXPECT_FALSE(kernel_.try_scan()) << "a circle of something that is no cache";
  kernel_.put_word(link, 0xdead'0000'0000'0100);
  EXPECT_FALSE(kernel_.try_scan()) << "a wild pointer";
  kernel_.put_word(link, was);
  EXPECT_TRUE(kernel_.try_scan()) << "only a cache without a size";
}

TEST_P(HostileTest, ACacheWithAbsurdSizesIsNotUsed) {
  Addr object = kernel_.kmalloc(64), cache = kernel_.cache(kernel_.slab_of(object).cache).address;
  struct Case {
    const char* path;
    u32 value;
  };
  for (const Case& c : {Case{"size", 0}, Case{"size", 7}, Case{"size", 0xffff'fff8}, Case{"object_size", 0xffff'ffff},
                        Case{"offset", 0xffff'fff8}, Case{"red_left_pad", 0xffff'fff0}, Case{"object_size", 0}}) {
    u64 was = kernel_.value(cache, "kmem_cache", c.path);
    kernel_.put(cache, "kmem_cache", c.path, c.value);
    EXPECT_TRUE(kernel_.try_scan()) << c.path << " = " << c.value;
    kernel_.put(cache, "kmem_cache", c.path, was);
  }
}

// Words that hurt: addresses of real things, their neighbours, absurd numbers.
u64 bad_word(std::mt19937_64& random, FakeKernel& kernel) {
  u64 linear = kernel.page(random() % 2560).value;
  switch (random() % 10) {
    case 0: return 0;
    case 1: return ~u64{0};
    case 2: return random();
    case 3: return linear + random() % 4096;
    case 4: return kernel.memory().space().vmalloc.start.value + random() % 64 * kPageBytes;
    case 5: return kernel.descriptor(random() % 2560).value;
    case 6: return u64{1} << random() % 64;
    case 7: return random() % 4096;
    case 8: return FakeKernel::kText.value + random() % (FakeKernel::kImagePages * kPageBytes);
    default: return linear;
  }
}

TEST_P(HostileTest, RandomDamageToWhatTheKernelKnowsOfItselfIsSurvived) {
  std::mt19937_64 random(11);
  std::vector<Range> targets{{FakeKernel::kText + 12 * kPageBytes, 4 * kPageBytes},  // globals
                             {kernel_.page(1), 200 * kPageBytes},                    // boot memory: descriptors, page tables
                             {kernel_.page(512), 96 * kPageBytes}};                  // the first slabs and areas
  kernel_.globals.top_tables = kernel_.add_global(16);
  kernel_.link(*kernel_.globals.top_tables,
               std::array{kernel_.descriptor(kernel_.add_plain_pages()) + kernel_.layouts().page.lru});
  for (int round = 0; round < 120; ++round) {
    kernel_.plain_pages = round % 2 == 0 ? PlainPages::Roots : PlainPages::Blocks;
    std::vector<std::pair<Addr, u64>> undo;
    for (u64 i = 0; i < 1 + random() % 8; ++i) {
      Range target = targets[random() % targets.size()];
      Addr at = target.start + random() % (target.size_bytes / 8) * 8;
      undo.emplace_back(at, kernel_.word(at));
      kernel_.ram().put(at, bad_word(random, kernel_));
    }
    (void)kernel_.try_scan();
    for (const auto& [at, word] : std::views::reverse(undo)) kernel_.ram().put(at, word);
  }
  EXPECT_TRUE(kernel_.try_scan());
}

// Every word of the structs that lists lead through, one after the other.
TEST_P(HostileTest, AnyWordOfTheAllocatorsRecordsMayBeWrong) {
  std::mt19937_64 random(12);
  FakeArea area = kernel_.add_area(1);
  Addr task = kernel_.add_task(99);
  struct Record {
    Addr at;
    u32 size_bytes;
  };
  const FakeTypes& types = kernel_.types();
  for (const Record& record :
       {Record{area.area, types.size("vmap_area")}, Record{area.vm, types.size("vm_struct")},
        Record{kernel_.far_chunk(), types.size("pcpu_chunk")}, Record{kernel_.first_chunk(), types.size("pcpu_chunk")},
        Record{kernel_.cache(3).address, types.size("kmem_cache")}, Record{task, kernel_.layouts().task.read_bytes},
        Record{kernel_.slab_descriptor(task), types.size("page")},
        Record{kernel_.cpu_state(3, 0), GetParam().has_cpu_slab ? types.size("kmem_cache_cpu") : 0}}) {
    for (u32 offset = 0; offset + 8 <= record.size_bytes; offset += 8) {
      Addr at = record.at + offset;
      u64 was = kernel_.word(at);
      kernel_.put_word(at, bad_word(random, kernel_));
      (void)kernel_.try_scan();
      kernel_.put_word(at, was);
    }
  }
  EXPECT_TRUE(kernel_.try_scan());
}

class HostileSheafTest : public HostileTest {};
INSTANTIATE_TEST_SUITE_P(Versions, HostileSheafTest, testing::ValuesIn(kSheafVersions), version_name);

TEST_P(HostileSheafTest, AnyWordOfASheafAndOfWhatHoldsItMayBeWrong) {
  std::mt19937_64 random(13);
  u32 cache = kernel_.add_cache({.name = "more", .object_bytes = 64, .sheaf_capacity = 4});
  Addr sheaf = kernel_.add_sheaf(cache, std::array{kernel_.allocate(cache), kernel_.allocate(cache)});
  Addr full = kernel_.add_sheaf(cache, std::array{kernel_.allocate(cache)});
  kernel_.give_sheaf(cache, 0, "spare", sheaf);
  kernel_.put_in_barn(cache, 0, "sheaves_full", std::array{full});
  struct Record {
    Addr at;
    u64 size_bytes;
  };
  for (const Record& record :
       {Record{sheaf, 64}, Record{full, 64}, Record{kernel_.cache(cache).barns[0], kernel_.types().size("node_barn")},
        Record{kernel_.cache(cache).cpu_sheaves + kernel_.cpu_offset(0), kernel_.types().size("slub_percpu_sheaves")},
        Record{*kernel_.globals.slub.node_count, 8}, Record{*kernel_.globals.slub.deferred + kernel_.cpu_offset(1), 8}}) {
    for (u64 offset = 0; offset + 8 <= record.size_bytes; offset += 8) {
      Addr at = record.at + offset;
      u64 was = kernel_.word(at);
      for (u64 word : {bad_word(random, kernel_), at.value, ~u64{0}, u64{0}}) {
        kernel_.put_word(at, word);
        (void)kernel_.try_scan();
      }
      kernel_.put_word(at, was);
    }
  }
  EXPECT_TRUE(kernel_.try_scan());
}

}  // namespace
}  // namespace orphan::kernel
