// SPDX-License-Identifier: Apache-2.0
#include "kernel/slub.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

// A cache of its own with one slab: four objects that nothing refers to, the rest of the slots are free.
class SlubTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  u32 cache_ = kernel_.add_cache({.name = "fruit", .object_bytes = 200, .size_bytes = 208, .free_pointer = 96});
  std::array<Addr, 4> object_{take(), take(), take(), take()};

  Addr take() { return kernel_.allocate(cache_); }
  Range contents() { return {kernel_.page(kernel_.slab_of(object_[0]).frame), kPageBytes}; }
  Range descriptor() { return {kernel_.slab_descriptor(object_[0]), 8}; }
  std::vector<Verdict> verdicts(const FakeScan& scan) const {
    std::vector<Verdict> found;
    for (Addr object : object_) found.push_back(scan.verdict(object));
    return found;
  }
  std::vector<Verdict> verdicts() { return verdicts(kernel_.scan()); }
  // The first pointer of the slab's freelist, and the place where the first free object keeps the next.
  Addr first_free() { return Addr{kernel_.value(descriptor().start, "slab", "freelist")}; }
  Addr first_stored() { return first_free() + 96; }
  void store(Addr place, Addr next) { kernel_.put_word(place, kernel_.encode(kernel_.cache(cache_), place, next)); }
};
INSTANTIATE_TEST_SUITE_P(Versions, SlubTest, testing::ValuesIn(kVersions), version_name);

class CpuSlabTest : public SlubTest {};
INSTANTIATE_TEST_SUITE_P(Versions, CpuSlabTest, testing::ValuesIn(kCpuSlabVersions), version_name);

constexpr Verdict F = Verdict::Free, H = Verdict::Held, L = Verdict::Leaked;
using Verdicts = std::vector<Verdict>;

TEST_P(SlubTest, LiveObjectsAreBlocks_FreeOnesAreNot) {
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L}));
  kernel_.free(object_[1]);
  kernel_.free(object_[3]);
  EXPECT_EQ(verdicts(), (Verdicts{L, F, L, F}));
}

TEST_P(CpuSlabTest, ObjectsOnACpusFreelistAreFree_TheOthersOnItsSlabAreNot) {
  kernel_.make_cpu_slab(object_[0], 1);
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L}));
  kernel_.free_on_cpu(object_[2]);
  EXPECT_EQ(verdicts(), (Verdicts{L, L, F, L}));
  kernel_.free(object_[0]);  // by another CPU: onto the slab's own list
  EXPECT_EQ(verdicts(), (Verdicts{F, L, F, L}));
}

TEST_P(SlubTest, AFullSlabIsAllLive) {
  while (!kernel_.slab_of(object_[0]).free.empty()) take();
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{L, L, L, L}));
  EXPECT_EQ(scan.cache("fruit").live, 4096U / 208);
}

TEST_P(CpuSlabTest, AFullCpuSlabIsAllLive) {
  kernel_.make_cpu_slab(object_[0], 0);
  while (!kernel_.slab_of(object_[0]).cpu_free.empty()) take();
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L}));
}

TEST_P(SlubTest, ASlabThatWaitsForRcuHoldsNothing_WhateverItsFreelistSays) {
  for (Addr object : object_) kernel_.free(object);
  ASSERT_EQ(kernel_.value(descriptor().start, "slab", "inuse"), 0U);
  kernel_.put(descriptor().start, "slab", "freelist", 0x1234'5678);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{F, F, F, F}));
  EXPECT_EQ(scan.look->slub.unstable_slabs, 0U);
}

TEST_P(SlubTest, AnObjectBeginsBehindTheLeftPad) {
  u32 padded = kernel_.add_cache({.name = "padded", .object_bytes = 64, .size_bytes = 128, .left_pad_bytes = 64});
  Addr object = kernel_.allocate(padded), other = kernel_.allocate(padded);
  kernel_.free(other);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.verdict(object), L);
  EXPECT_EQ(scan.verdict(object + 63), L);
  EXPECT_EQ(scan.verdict(object - 1), Verdict::NoBlock);
  EXPECT_EQ(scan.verdict(object + 64), Verdict::NoBlock);
  EXPECT_EQ(scan.verdict(other), F);
  EXPECT_EQ(scan.look->slub.unstable_slabs, 0U);
}

TEST_P(SlubTest, TheFreePointerMayStandAnywhereInTheSlot) {
  for (u32 place : {0U, 8U, 56U, 64U, 72U}) {
    u32 cache =
        kernel_.add_cache({.name = "at " + std::to_string(place), .object_bytes = 64, .size_bytes = 80, .free_pointer = place});
    Addr object = kernel_.allocate(cache), other = kernel_.allocate(cache);
    kernel_.free(other);
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(scan.verdict(object), L) << place;
    EXPECT_EQ(scan.verdict(other), F) << place;
    EXPECT_EQ(scan.look->slub.unstable_slabs, 0U) << place;
  }
}

TEST_P(SlubTest, ASlabMayHaveSeveralPages) {
  u32 big = kernel_.add_cache({.name = "big", .object_bytes = 3000, .size_bytes = 3000, .order = 2});
  Addr first = kernel_.allocate(big), second = kernel_.allocate(big), third = kernel_.allocate(big);
  kernel_.free(second);
  kernel_.add_root_to(third + 2999);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.verdict(first), L);
  EXPECT_EQ(scan.verdict(second), F);
  EXPECT_EQ(scan.verdict(third), H);
}

// --- what cannot be ---

TEST_P(SlubTest, OfADamagedFreelistNothingIsReported_AndItIsCounted) {
  Addr slab = kernel_.page(kernel_.slab_of(object_[0]).frame);
  struct Case {
    const char* what;
    std::function<void()> damage;
  };
  const Case cases[] = {
      {"leads out of the slab", [&] { store(first_stored(), slab + kPageBytes); }},
      {"leads before the slab", [&] { store(first_stored(), slab - 208); }},
      {"leads between two objects", [&] { store(first_stored(), first_free() + 8); }},
      {"leads to itself", [&] { store(first_stored(), first_free()); }},
      {"ends too soon", [&] { store(first_stored(), Addr{0}); }},
      {"is not encoded as it should be", [&] { kernel_.put_word(first_stored(), 0x1122'3344'5566'7788); }},
      {"begins out of the slab", [&] { kernel_.put(descriptor().start, "slab", "freelist", slab - 8); }},
      {"is longer than the count", [&] { kernel_.put(descriptor().start, "slab", "inuse", 6); }},
      {"is not there", [&] { kernel_.put(descriptor().start, "slab", "freelist", 0); }},
      {"more in use than there are", [&] { kernel_.put(descriptor().start, "slab", "inuse", 200); }},
  };
  Addr held = kernel_.kmalloc(64);
  kernel_.point(object_[0], held);  // a root now
  for (const Case& c : cases) {
    kernel_.write_slab(kernel_.slab_of(object_[0]));
    ASSERT_EQ(kernel_.verdict(object_[0]), L) << c.what;
    ASSERT_EQ(kernel_.verdict(held), L) << c.what;
    c.damage();
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(verdicts(scan), (Verdicts{H, H, H, H})) << c.what;
    EXPECT_EQ(scan.verdict(held), H) << c.what;
    EXPECT_EQ(scan.look->slub.unstable_slabs, 1U) << c.what;
    EXPECT_EQ(scan.look->slub.unstable_bytes, kPageBytes) << c.what;
  }
}

TEST_P(CpuSlabTest, ADamagedCpuFreelistMakesItsSlabUnstable) {
  kernel_.make_cpu_slab(object_[0], 0);
  kernel_.put(kernel_.cpu_state(cache_, 0), "kmem_cache_cpu", "freelist", object_[0] + 8);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{H, H, H, H}));
  EXPECT_EQ(scan.look->slub.unstable_slabs, 1U);
}

TEST_P(SlubTest, ASlabThatCannotHoldItsObjectsIsARoot) {
  Addr held = kernel_.kmalloc(64);
  kernel_.point(object_[0], held);
  EXPECT_EQ(kernel_.verdict(held), L);
  for (u64 objects : {0U, 20U, 0x7fffU}) {
    kernel_.put(descriptor().start, "slab", "objects", objects);
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(scan.verdict(object_[0]), Verdict::NoBlock) << objects;
    EXPECT_EQ(scan.verdict(held), H) << objects;
    EXPECT_EQ(scan.look->slub.unstable_slabs, 1U) << objects;
  }
}

TEST_P(SlubTest, ASlabOfACacheThatIsNotListedIsARoot_AndIsCounted) {
  Addr held = kernel_.kmalloc(64);
  kernel_.point(object_[0] + 8, held);
  EXPECT_EQ(kernel_.verdict(held), L);
  kernel_.put(descriptor().start, "slab", "slab_cache", kernel_.cache(cache_).address + 64);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.verdict(object_[0]), Verdict::NoBlock);
  EXPECT_EQ(scan.verdict(held), H);
  EXPECT_EQ(scan.look->slub.foreign_slabs, 1U);
  EXPECT_EQ(scan.look->slub.foreign_bytes, kPageBytes);
}

// --- what moves ---

TEST_P(SlubTest, ASlabThatChangesWhileItIsReadIsReadAgain) {
  kernel_.ram().watch(contents(), [&](u64 n) {
    if (n == 1) kernel_.free(object_[1]);
  });
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{L, F, L, L}));
  EXPECT_EQ(scan.look->slub.reread_slabs, 1U);
  EXPECT_EQ(scan.look->slub.unstable_slabs, 0U);
}

TEST_P(CpuSlabTest, ACpuThatTakesAnObjectMeanwhileIsSeen) {
  kernel_.make_cpu_slab(object_[0], 1);
  Addr taken{};
  kernel_.ram().watch(contents(), [&](u64 n) {
    if (n == 1) taken = take();
  });
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.verdict(taken), L);
  EXPECT_EQ(scan.look->slub.reread_slabs, 1U);
}

TEST_P(CpuSlabTest, ACpuThatGivesItsSlabUpMeanwhileIsSeen) {
  kernel_.make_cpu_slab(object_[0], 1);
  kernel_.ram().watch(contents(), [&](u64 n) {
    if (n != 1) return;
    FakeSlab& slab = kernel_.slab_of(object_[0]);
    slab.free = std::exchange(slab.cpu_free, {});
    kernel_.write_slab(slab);  // its CPU has an empty list now
    kernel_.put(kernel_.cpu_state(cache_, 1), "kmem_cache_cpu", "slab", 0);
    slab.cpu.reset();
    kernel_.write_slab(slab);
  });
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{L, L, L, L}));
  EXPECT_EQ(scan.cache("fruit").live, 4U);
  EXPECT_EQ(scan.look->slub.unstable_slabs, 0U);
}

TEST_P(SlubTest, ASlabThatNeverHoldsStillIsNotJudged) {
  kernel_.ram().watch(contents(), [&](u64) {
    u64 frozen = kernel_.value(descriptor().start, "slab", "frozen");
    kernel_.put(descriptor().start, "slab", "frozen", 1 - frozen);
  });
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{H, H, H, H}));
  EXPECT_EQ(scan.look->slub.unstable_slabs, 1U);
  EXPECT_GE(scan.look->slub.reread_slabs, 1U);
  EXPECT_LE(scan.look->slub.reread_slabs, 16U);
}

TEST_P(SlubTest, ASlabThatBecameAnotherMeanwhileIsNotJudged) {
  struct Case {
    const char* what;
    std::function<void()> change;
  };
  const Case cases[] = {
      {"another cache's", [&] { kernel_.put(descriptor().start, "slab", "slab_cache", kernel_.cache(0).address); }},
      {"of another size", [&] { kernel_.put(descriptor().start, "slab", "objects", 10); }},
      {"no slab",
       [&] {
         kernel_.put(descriptor().start, "page", "flags", 0);
         kernel_.put(descriptor().start, "page", "page_type", ~u32{0});
       }},
  };
  for (const Case& c : cases) {
    FakeSlab slab = kernel_.slab_of(object_[0]);
    u64 flags = kernel_.value(descriptor().start, "page", "flags"), type = kernel_.value(descriptor().start, "page", "page_type");
    kernel_.ram().watch(contents(), [&](u64 n) {
      if (n == 1) c.change();
    });
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(verdicts(scan), (Verdicts{H, H, H, H})) << c.what;
    EXPECT_EQ(scan.look->slub.unstable_slabs, 1U) << c.what;
    kernel_.ram().unwatch();
    kernel_.write_slab(slab);
    kernel_.put(descriptor().start, "page", "flags", flags);
    kernel_.put(descriptor().start, "page", "page_type", type);
  }
}

// --- caches ---

TEST_P(SlubTest, ObjectsOfAnUntrackedCacheAreNeitherReportedNorScanned) {
  for (u32 flags : {0U, kernel_.no_leak_trace()}) {
    u32 cache = kernel_.add_cache({.name = "records", .object_bytes = 64, .flags = flags});
    Addr object = kernel_.allocate(cache), target = kernel_.kmalloc(64), holder = kernel_.allocate(cache);
    kernel_.add_root_to(holder);
    kernel_.point(holder + 8, target);
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(scan.verdict(object), flags == 0 ? L : H);
    EXPECT_EQ(scan.verdict(target), flags == 0 ? H : L);
  }
}

// The bytes behind it were not cleared when the object was handed out.
TEST_P(SlubTest, WhereTheSizeThatWasAskedForIsNotedTheBytesBehindItDoNotCount) {
  u32 track_bytes = kernel_.types().size("track");
  auto flag = [&](std::string_view name, u32 otherwise) {
    return GetParam().is_typed ? 1U << kernel_.types().enumerator("_slab_flag_bits", name) : otherwise;
  };
  u32 tracked = flag("_SLAB_STORE_USER", 0x1'0000), kmalloc = flag("_SLAB_KMALLOC", 0x1000);
  for (u32 flags : {0U, tracked, kmalloc, tracked | kmalloc}) {
    u32 noted_at = 64 + 8 + 2 * track_bytes;
    u32 cache = kernel_.add_cache(
        {.name = "kmalloc-64", .object_bytes = 64, .size_bytes = noted_at + 8, .free_pointer = 64, .flags = flags});
    kernel_.put(kernel_.cache(cache).address, "kmem_cache", "inuse", 64);
    Addr holder = kernel_.allocate(cache), asked_for = kernel_.kmalloc(64), stale = kernel_.kmalloc(64);
    kernel_.add_root_to(holder);
    kernel_.point(holder + 16, asked_for);
    kernel_.point(holder + 24, stale);
    kernel_.put_word(holder + noted_at, 24);
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(scan.verdict(asked_for), H) << flags;
    EXPECT_EQ(scan.verdict(stale), flags == (tracked | kmalloc) ? L : H) << flags;
  }
}

TEST_P(CpuSlabTest, CountsWhatTheKernelCounts) {
  kernel_.make_cpu_slab(object_[0], 1);
  FakeScan scan = kernel_.scan();
  const Cache& cache = scan.cache("fruit");
  EXPECT_EQ(cache.slabs, 1U);
  EXPECT_EQ(cache.objects, 4096U / 208);
  EXPECT_EQ(cache.live, 4U);
  EXPECT_EQ(cache.held_free, 4096U / 208 - 4) << "the kernel takes what a CPU holds for active";
}

TEST_P(CpuSlabTest, SlabsOnACpusPartialListAreHeldByIt) {
  Addr second{};
  for (int i = 0; i < 20; ++i) second = take();  // a second slab
  ASSERT_NE(kernel_.slab_descriptor(second), descriptor().start);
  kernel_.free(object_[0]);
  EXPECT_EQ(kernel_.scan().cache("fruit").held_free, 0U);
  kernel_.put(kernel_.cpu_state(cache_, 0), "kmem_cache_cpu", "partial", kernel_.slab_descriptor(second));
  kernel_.put(kernel_.slab_descriptor(second), "slab", "next", descriptor().start);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.cache("fruit").held_free, 2 * (4096 / 208) - 23U);
}

TEST_P(CpuSlabTest, APartialListThatRunsInACircleEnds) {
  kernel_.put(kernel_.cpu_state(cache_, 0), "kmem_cache_cpu", "partial", descriptor().start);
  kernel_.put(descriptor().start, "slab", "next", descriptor().start);
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L}));
}

TEST_P(SlubTest, ACacheTellsItsNameItsSizesAndWhetherItIsShared) {
  kernel_.add_cache({.name = "shared", .object_bytes = 40, .size_bytes = 48, .refcount = 3});
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.cache("shared").object_bytes, 40U);
  EXPECT_EQ(scan.cache("shared").size_bytes, 48U);
  EXPECT_TRUE(scan.cache("shared").is_merged);
  EXPECT_FALSE(scan.cache("fruit").is_merged);
}

TEST_P(SlubTest, ObjectsOfDifferentCachesHaveDifferentOwners_TheSameInEveryLook) {
  Addr other = kernel_.kmalloc(64);
  FakeScan first = kernel_.scan(), second = kernel_.scan();
  EXPECT_EQ(first.owner(object_[0]), second.owner(object_[3]));
  EXPECT_NE(first.owner(object_[0]), first.owner(other));
  EXPECT_EQ(kernel_.owners()[first.owner(object_[0])].name, "fruit");
}

TEST_P(CpuSlabTest, ThePerCpuStateOfACacheKeepsNothingAlive_AnotherPerCpuAreaDoes) {
  Addr target = kernel_.kmalloc(64);
  Addr state = kernel_.cpu_state(cache_, 1);
  kernel_.put(state, "kmem_cache_cpu", "freelist", target);  // stale: the CPU has no slab
  EXPECT_EQ(kernel_.verdict(target), L);
  Addr area = kernel_.add_percpu(64);
  kernel_.add_root_to(area);
  kernel_.point(area + kernel_.cpu_offset(1), target);
  EXPECT_EQ(kernel_.verdict(target), H);
}

TEST_P(SlubTest, TheVectorThatHangsOnASlabIsHeldByIt) {
  Addr vector = kernel_.kmalloc(256);
  EXPECT_EQ(kernel_.verdict(vector), L);
  std::string_view name = GetParam().is_typed ? "obj_exts" : "memcg_data";
  kernel_.put(descriptor().start, "slab", name, vector.value | 1);  // with a flag in its lowest bits
  EXPECT_EQ(kernel_.verdict(vector), H);
}

TEST_P(SlubTest, APointerToASlabsDescriptorKeepsNoObjectAlive) {
  kernel_.add_root_to(descriptor().start);
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L}));
}

TEST_P(SlubTest, FreelistsAreReadAsTheKernelStoresThem) {
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.cache("fruit").is_hardened, GetParam().is_hardened);
  EXPECT_EQ(scan.cache("fruit").random, kernel_.cache(cache_).random);
  // Of one free pointer a single bit is wrong.
  for (u32 bit : {0U, 7U, 12U, 40U, 63U}) {
    kernel_.write_slab(kernel_.slab_of(object_[0]));
    kernel_.put_word(first_stored(), kernel_.word(first_stored()) ^ u64{1} << bit);
    EXPECT_EQ(kernel_.scan().look->slub.unstable_slabs, 1U) << bit;
  }
}

TEST(Slub, ANameThatEndsWithItsPageIsRead_AndOneThatIsNotThereIsEmpty) {
  FakeKernel kernel;
  u32 cache = kernel.add_cache({.name = "x", .object_bytes = 64});
  Addr page = kernel.page(1023);  // the last page before the hole in RAM
  kernel.ram().write(page + kPageBytes - 6, std::as_bytes(std::span("tail\0", 6)));
  kernel.put(kernel.cache(cache).address, "kmem_cache", "name", page + kPageBytes - 6);
  EXPECT_EQ(kernel.scan().look->slub.caches.back().name, "tail");
  kernel.put(kernel.cache(cache).address, "kmem_cache", "name", page + kPageBytes);
  EXPECT_EQ(kernel.scan().look->slub.caches.back().name, "");
}

}  // namespace
}  // namespace orphan::kernel
