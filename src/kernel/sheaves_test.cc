// SPDX-License-Identifier: Apache-2.0
#include "kernel/sheaves.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr Verdict F = Verdict::Free, H = Verdict::Held, L = Verdict::Leaked;
constexpr u32 kCapacity = 6;

// A cache with sheaves, and five of its objects that nothing refers to.
class SheavesTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  u32 cache_ = kernel_.add_cache({.name = "fruit", .object_bytes = 200, .free_pointer = 96, .sheaf_capacity = kCapacity});
  std::array<Addr, 5> object_{take(), take(), take(), take(), take()};

  Addr take() { return kernel_.allocate(cache_); }
  Addr sheaf_of(std::initializer_list<Addr> objects) {
    return kernel_.add_sheaf(cache_, std::span(objects.begin(), objects.size()));
  }
  Range contents() { return {kernel_.slab_descriptor(object_[0]), 8}; }
  std::vector<Verdict> verdicts(const FakeScan& scan) const {
    std::vector<Verdict> found;
    for (Addr object : object_) found.push_back(scan.verdict(object));
    return found;
  }
  std::vector<Verdict> verdicts() { return verdicts(kernel_.scan()); }
};
INSTANTIATE_TEST_SUITE_P(Versions, SheavesTest, testing::ValuesIn(kSheafVersions), version_name);
using Verdicts = std::vector<Verdict>;

TEST_P(SheavesTest, ObjectsInTheSheavesOfACpuAreFree_TheOthersAreNot) {
  for (u32 cpu = 0; cpu < FakeKernel::kCpus; ++cpu) {
    for (std::string_view place : {"main", "spare", "rcu_free"}) {
      EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L, L})) << place;
      kernel_.give_sheaf(cache_, cpu, place, sheaf_of({object_[3], object_[1]}));
      EXPECT_EQ(verdicts(), (Verdicts{L, F, L, F, L})) << place;
      kernel_.give_sheaf(cache_, cpu, place, Addr{0});
    }
  }
}

TEST_P(SheavesTest, ObjectsInFullSheavesOfEachNodesBarnAreFree) {
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L, L}));
  kernel_.put_in_barn(cache_, 0, "sheaves_full", std::array{sheaf_of({object_[0]}), sheaf_of({object_[1]})});
  EXPECT_EQ(verdicts(), (Verdicts{F, F, L, L, L}));
  kernel_.put_in_barn(cache_, 1, "sheaves_full", std::array{sheaf_of({object_[4]})});
  EXPECT_EQ(verdicts(), (Verdicts{F, F, L, L, F}));
}

TEST_P(SheavesTest, SlotsBeyondTheSizeKeepNothingAlive_InMemoryThatIsNoSheafTheyWould) {
  Addr main = kernel_.add_sheaf(cache_, std::array{object_[0], object_[1], object_[2]}, 1);
  Addr empty = kernel_.add_sheaf(cache_, std::array{object_[3]}, 0);
  kernel_.give_sheaf(cache_, 0, "main", main);
  kernel_.put_in_barn(cache_, 0, "sheaves_empty", std::array{empty});
  EXPECT_EQ(verdicts(), (Verdicts{F, L, L, L, L}));
  Addr array = kernel_.kmalloc(128);
  kernel_.add_root_to(array);
  for (u32 slot = 0; slot < 4; ++slot) kernel_.point(array + 32 + slot * 8, object_[slot + 1]);
  EXPECT_EQ(verdicts(), (Verdicts{F, H, H, H, H}));
}

TEST_P(SheavesTest, SheavesAreInUse_OneThatNobodyHoldsIsLeaked) {
  std::array<Addr, 3> full{sheaf_of({object_[0]}), sheaf_of({object_[1]}), sheaf_of({object_[2]})};
  Addr spare = sheaf_of({}), lost = sheaf_of({});
  kernel_.give_sheaf(cache_, 1, "spare", spare);
  EXPECT_EQ(kernel_.verdict(full[1]), L);
  kernel_.put_in_barn(cache_, 0, "sheaves_full", full);
  FakeScan scan = kernel_.scan();
  for (Addr sheaf : full) EXPECT_EQ(scan.verdict(sheaf), H);
  EXPECT_EQ(scan.verdict(spare), H);
  EXPECT_EQ(scan.verdict(lost), L);
}

TEST_P(SheavesTest, ASheafThatIsOnNoListKeepsNothingAlive_AnythingElseWithTheSameSlotsDoes) {
  for (u32 size : {0U, 1U, 2U}) {
    Addr sheaf = kernel_.add_sheaf(cache_, std::array{object_[0], object_[1], object_[2]}, size);
    kernel_.add_root_to(sheaf);  // a callback of RCU, or a variable of whoever moves it
    EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L, L})) << size;
    kernel_.put(sheaf, "slab_sheaf", "cache", kernel_.cache(cache_).address + 8);
    EXPECT_EQ(verdicts(), (Verdicts{H, H, H, L, L})) << size;
    kernel_.put(sheaf, "slab_sheaf", "cache", kernel_.cache(0).address);
    EXPECT_EQ(verdicts(), (Verdicts{H, H, H, L, L})) << size << ": that cache has no sheaves";
    kernel_.ram().write(sheaf, std::vector<std::byte>(kernel_.offset("slab_sheaf", "objects") + kCapacity * 8));
  }
}

TEST_P(SheavesTest, WhatHasACachesAddressButNoFreeObjectsIsNoSheaf) {
  Addr holder = sheaf_of({object_[0], object_[1]});
  kernel_.add_root_to(holder);
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L, L}));
  kernel_.put(holder, "slab_sheaf", "size", 100);
  EXPECT_EQ(verdicts(), (Verdicts{H, H, L, L, L})) << "more than fits";
  kernel_.put(holder, "slab_sheaf", "size", 3);
  EXPECT_EQ(verdicts(), (Verdicts{H, H, L, L, L})) << "the third slot holds nothing";
  kernel_.put(holder, "slab_sheaf", "size", 2);
  kernel_.put(holder, "slab_sheaf", "node", 5000);
  EXPECT_EQ(verdicts(), (Verdicts{H, H, L, L, L})) << "no such node";
  kernel_.put(holder, "slab_sheaf", "node", 1);
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L, L}));
}

TEST_P(SheavesTest, WhatASheafLosesWhileSlabsAreReadIsNotJudged_NorWhatItRefersTo) {
  Addr sheaf = sheaf_of({object_[0], object_[1]}), target = kernel_.kmalloc(64);
  kernel_.give_sheaf(cache_, 0, "main", sheaf);
  kernel_.point(object_[1] + 8, target);
  EXPECT_EQ(verdicts(), (Verdicts{F, F, L, L, L}));
  EXPECT_EQ(kernel_.verdict(target), L) << "only a free object points to it";
  // The memory map's own pass is before the sheaves are read.
  kernel_.ram().watch({kernel_.page(kernel_.slab_of(object_[0]).frame), 8},
                      [&](u64) { kernel_.put(sheaf, "slab_sheaf", "size", 1); });
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{F, H, L, L, L}));
  EXPECT_EQ(scan.verdict(target), H);
}

TEST_P(SheavesTest, WhatASheafGainsMeanwhileIsFree) {
  Addr sheaf = kernel_.add_sheaf(cache_, std::array{object_[0], object_[1]}, 1);
  kernel_.give_sheaf(cache_, 1, "main", sheaf);
  kernel_.ram().watch({kernel_.page(kernel_.slab_of(object_[0]).frame), 8},
                      [&](u64) { kernel_.put(sheaf, "slab_sheaf", "size", 2); });
  EXPECT_EQ(verdicts(), (Verdicts{F, F, L, L, L}));
}

TEST_P(SheavesTest, TheKernelCountsWhatIsInSheavesAsActive) {
  kernel_.give_sheaf(cache_, 0, "main", sheaf_of({object_[0], object_[1]}));
  kernel_.put_in_barn(cache_, 0, "sheaves_full", std::array{sheaf_of({object_[2]})});
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.cache("fruit").live, 2U);
  EXPECT_EQ(scan.cache("fruit").held_free, 3U);
}

TEST_P(SheavesTest, WhatIsFreeOnItsSlabAndInASheafIsCountedOnce) {
  kernel_.give_sheaf(cache_, 0, "main", sheaf_of({object_[0], object_[1], object_[1]}));
  kernel_.give_sheaf(cache_, 0, "spare", sheaf_of({object_[1]}));
  kernel_.free(object_[0]);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{F, F, L, L, L}));
  EXPECT_EQ(scan.cache("fruit").live, 3U);
  EXPECT_EQ(scan.cache("fruit").held_free, 1U);
}

TEST_P(SheavesTest, SlotsThatHoldNoObjectOfTheCacheChangeNothing) {
  Addr other = kernel_.kmalloc(64);
  kernel_.give_sheaf(cache_, 0, "main",
                     sheaf_of({object_[0] + 8, other, Addr{0}, Addr{~u64{7}}, kernel_.page(1200), object_[4]}));
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{L, L, L, L, F}));
  EXPECT_EQ(scan.verdict(other), L);
}

TEST_P(SheavesTest, OfASheafThatSaysMoreThanItHoldsNoMoreIsTaken) {
  Addr sheaf = sheaf_of({object_[0], object_[1]});
  kernel_.give_sheaf(cache_, 0, "main", sheaf);
  kernel_.put(sheaf, "slab_sheaf", "size", ~u32{0});
  EXPECT_EQ(verdicts(), (Verdicts{F, F, L, L, L}));
}

TEST_P(SheavesTest, WhatIsNoSheafOfTheCacheIsNotReadAsOne) {
  u32 other = kernel_.add_cache({.name = "other", .object_bytes = 200, .sheaf_capacity = kCapacity});
  Addr sheaf = kernel_.add_sheaf(other, std::array{object_[0]});
  kernel_.give_sheaf(cache_, 0, "main", sheaf);
  kernel_.give_sheaf(cache_, 1, "main", kernel_.add_global(64));  // as the one of caches that have none
  EXPECT_EQ(verdicts(), (Verdicts{L, L, L, L, L}));
}

TEST_P(SheavesTest, AListOfSheavesThatRunsInACircleEnds) {
  Addr sheaf = sheaf_of({object_[0]});
  kernel_.put_in_barn(cache_, 0, "sheaves_full", std::array{sheaf});
  kernel_.point(kernel_.member(sheaf, "slab_sheaf", "barn_list"), kernel_.member(sheaf, "slab_sheaf", "barn_list"));
  EXPECT_EQ(verdicts(), (Verdicts{F, L, L, L, L}));
}

TEST_P(SheavesTest, ASheafThatCannotBeReadIsAGap) {
  EXPECT_EQ(kernel_.scan().look->gaps.unread_sheaves, 0U);
  kernel_.give_sheaf(cache_, 0, "main", kernel_.page(1200));  // in the hole in RAM
  EXPECT_GE(kernel_.scan().look->gaps.unread_sheaves, 1U);
}

TEST_P(SheavesTest, ObjectsWhoseFreeingIsPutOffAreFree_OfWhicheverCache) {
  Addr target = kernel_.kmalloc(64);
  kernel_.point(object_[1] + 8, target);
  std::array<Addr, 3> objects{object_[1], kernel_.kmalloc(128), object_[3]};
  kernel_.defer_frees(1, objects);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(verdicts(scan), (Verdicts{L, F, L, F, L}));
  EXPECT_EQ(scan.verdict(objects[1]), F);
  EXPECT_EQ(scan.verdict(target), L);
  kernel_.globals.slub.deferred.reset();
  EXPECT_EQ(verdicts(), (Verdicts{L, H, L, H, L})) << "what is on that list is referred to";
}

TEST_P(SheavesTest, WhatHasNoFreePointerWhereTheListLeadsIsLeftAlone) {
  kernel_.put_word(*kernel_.globals.slub.deferred + kernel_.cpu_offset(0), object_[0].value + 8);
  EXPECT_EQ(verdicts(), (Verdicts{H, L, L, L, L}));
}

}  // namespace
}  // namespace orphan::kernel
