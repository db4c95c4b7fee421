// SPDX-License-Identifier: Apache-2.0
#include "kernel/weak_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

class WeakBlocksTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  u32 cache_ = kernel_.add_cache({.name = "hard", .object_bytes = 96});
  u32 padded_ = kernel_.add_cache({.name = "padded", .object_bytes = 72, .size_bytes = 96});

  // Which of these are weakly referenced, and how; "below": by nothing of its own; "leaked": not at all.
  std::string judge(Addr object, const std::function<void()>& meanwhile = {}) {
    FakeScan scan = kernel_.scan();
    BitVector unreferenced = scan.look->snapshot.live;
    unreferenced.subtract(scan.marked.reached);
    Confirmation confirmation;
    for (int pass = 0; pass < 2; ++pass) EXPECT_TRUE(confirmation.add_pass(scan.look->snapshot, unreferenced, kernel_.memory()));
    WeakFinder finder(*scan.look, kernel_.memory(), scan.marked);
    EXPECT_TRUE(finder.search(confirmation, {}));
    if (meanwhile) meanwhile();
    auto weak = finder.finish();
    EXPECT_TRUE(bool(weak));
    auto block = scan.look->index->find(object.value);
    if (!weak || !block) return "unknown";
    if (!weak->contains(block->slot)) return scan.marked.reached.test(block->slot) ? "referenced" : "leaked";
    auto found = weak->references.find(block->slot);
    return found == weak->references.end() ? "below" : to_string(found->second.form);
  }
  Addr root_with(u64 word) {
    Addr at = kernel_.add_global(8);
    kernel_.put_word(at, word);
    return at;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, WeakBlocksTest, testing::ValuesIn(kVersions), version_name);

TEST_P(WeakBlocksTest, AnObjectWithoutAnyReferenceIsLeaked) {
  EXPECT_EQ(judge(kernel_.allocate(cache_)), "leaked");
}

TEST_P(WeakBlocksTest, TheEndOfAnObjectIsAWeakReference_WhereANeighboursPlaceIsItIsHis) {
  std::vector<Addr> objects;
  for (int i = 0; i < 42; ++i) objects.push_back(kernel_.allocate(cache_));
  std::ranges::sort(objects);
  auto pair = std::ranges::adjacent_find(objects, [](Addr a, Addr b) { return b == a + 96; });
  ASSERT_NE(pair, objects.end());
  Addr object = pair[0], neighbour = pair[1];
  root_with((object + 96).value);
  EXPECT_EQ(judge(object), "leaked");
  EXPECT_EQ(judge(neighbour), "referenced");
  kernel_.free(neighbour);
  EXPECT_EQ(judge(object), "leaked") << "the word is stale, most likely";
  Addr apart = kernel_.allocate(padded_);
  Addr root = root_with((apart + 72).value);
  EXPECT_EQ(judge(apart), "one-past-end");
  EXPECT_EQ(judge(apart, [&] { kernel_.put_word(root, 0); }), "leaked") << "gone meanwhile";
}

TEST_P(WeakBlocksTest, WhatHangsBelowIsWeakToo_AndIsLeakedWithoutIt) {
  Addr above = kernel_.allocate(padded_), below = kernel_.kmalloc(64), lowest = kernel_.kmalloc(128);
  kernel_.point(above, below);
  kernel_.point(below + 8, lowest);
  EXPECT_EQ(judge(lowest), "leaked");
  Addr root = root_with((above + 72).value);
  EXPECT_EQ(judge(above), "one-past-end");
  EXPECT_EQ(judge(below), "below");
  EXPECT_EQ(judge(lowest), "below");
  kernel_.put_word(root, 0);
  EXPECT_EQ(judge(below), "leaked");
}

TEST_P(WeakBlocksTest, ADescriptorOfItsSlabWithItsPlaceBehindItIsAWeakReference_AloneItIsNot) {
  Addr object = kernel_.allocate(cache_);
  Addr root = kernel_.add_global(16);
  kernel_.put_word(root, kernel_.slab_descriptor(object).value);
  EXPECT_EQ(judge(object), "leaked");
  u64 offset = object - kernel_.page(kernel_.slab_of(object).frame);
  kernel_.put_word(root + 8, u64{96} << 32 | offset);
  EXPECT_EQ(judge(object), "page-descriptor");
}

TEST_P(WeakBlocksTest, APointerThatIsNotAlignedIsAWeakReference_AnAlignedOneAPlainOne) {
  Addr object = kernel_.allocate(cache_);
  Addr at = kernel_.add_global(16);
  kernel_.ram().put(at + 4, object.value);
  EXPECT_EQ(judge(object), "unaligned");
  kernel_.ram().put(at, object.value);
  EXPECT_EQ(judge(object), "referenced");
}

TEST_P(WeakBlocksTest, TheEndOfAVmallocAreaIsAWeakReference) {
  FakeArea area = kernel_.add_area(2);
  EXPECT_EQ(judge(area.start), "leaked");
  root_with((area.start + 2 * kPageBytes).value);
  EXPECT_EQ(judge(area.start), "one-past-end");
}

TEST_P(WeakBlocksTest, ReadsThatFailAreNoMoreThanMissing) {
  Addr object = kernel_.allocate(padded_);
  root_with((object + 72).value);
  FakeScan scan = kernel_.scan();
  BitVector unreferenced = scan.look->snapshot.live;
  unreferenced.subtract(scan.marked.reached);
  Confirmation confirmation;
  for (int pass = 0; pass < 2; ++pass) ASSERT_TRUE(confirmation.add_pass(scan.look->snapshot, unreferenced, kernel_.memory()));
  for (u64 n = 1; n < 100; ++n) {
    kernel_.kernel().cache.clear();
    MarkResult marked(std::pmr::get_default_resource());
    marked.reached = scan.marked.reached;
    kernel_.ram().fail_read(n);
    WeakFinder finder(*scan.look, kernel_.memory(), marked);
    EXPECT_TRUE(bool(finder.search(confirmation, {}))) << n;
    EXPECT_TRUE(bool(finder.finish())) << n;
  }
}

}  // namespace
}  // namespace orphan::kernel
