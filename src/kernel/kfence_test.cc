// SPDX-License-Identifier: Apache-2.0
// KFENCE's pool in the made-up kernel: objects are where its array says, whatever their pages look like.
#include "kernel/kfence.h"

#include <gtest/gtest.h>

#include <array>

#include "kernel/fake_kernel.h"
#include "kernel/recheck.h"

namespace orphan::kernel {
namespace {

class KfenceTest : public testing::TestWithParam<FakeVersion> {
 protected:
  static constexpr u64 kEntries = 5;
  KfenceTest() {
    pool_ = kernel_.page(kernel_.add_plain_pages(2 * (kEntries + 1)));
    array_ = kernel_.add_global(kEntries * entry_bytes());
    for (u64 i = 0; i < kEntries; ++i) put(i, "addr", page_of(i).value);
    kernel_.globals.kfence.pool = kernel_.add_global(8);
    kernel_.point(*kernel_.globals.kfence.pool, pool_);
    kernel_.globals.kfence.metadata = array_;
  }
  u64 entry_bytes() const { return kernel_.types().size("kfence_metadata"); }
  Addr page_of(u64 i) const { return pool_ + (2 * i + 2) * kPageBytes; }
  void put(u64 i, std::string_view member, u64 value) {
    kernel_.put(array_ + i * entry_bytes(), "kfence_metadata", member, value);
  }
  // As kfence_guarded_alloc() leaves it, at the end of its page.
  Addr allocate(u64 i, u64 size_bytes) {
    Addr object = page_of(i) + kPageBytes - align_up(size_bytes, 8);
    const FakeCache& cache = kernel_.cache(kernel_.slab_of(kernel_.kmalloc(128)).cache);
    put(i, "addr", object.value);
    put(i, "size", size_bytes);
    put(i, "cache", cache.address.value);
    put(i, "state", 1);
    u64 frame = kernel_.frame(page_of(i));
    if (GetParam().is_typed)
      kernel_.set_type(frame, "PGTY_slab", 0);
    else
      kernel_.set_flag(frame, "PG_slab");
    kernel_.put(kernel_.descriptor(frame), "slab", "slab_cache", cache.address);
    kernel_.put(kernel_.descriptor(frame), "slab", "objects", 1);
    return object;
  }
  // As since 6.6: the array stands in pages of its own.
  void move_array() {
    Addr pages = kernel_.page(kernel_.add_plain_pages(2));
    for (u64 at = 0; at < kEntries * entry_bytes(); at += 8) kernel_.put_word(pages + at, kernel_.word(array_ + at));
    for (u64 at = 0; at < kEntries * entry_bytes(); at += 8) kernel_.put_word(array_ + at, 0);
    Addr pointer = kernel_.add_global(8);
    kernel_.point(pointer, pages);
    kernel_.globals.kfence.metadata = pointer;
    array_ = pages;
  }
  Kfence read() { return read_kfence(kernel_.memory(), kernel_.layouts().origins.kfence, kernel_.globals.kfence); }
  FakeKernel kernel_{GetParam()};
  Addr pool_, array_;
};
INSTANTIATE_TEST_SUITE_P(Versions, KfenceTest, testing::ValuesIn(kVersions), version_name);

TEST_P(KfenceTest, AnObjectOfKfenceIsLeaked_OneWithAPointerToItIsHeld) {
  Addr object = allocate(1, 100);
  EXPECT_EQ(kernel_.verdict(object), Verdict::Leaked);
  kernel_.add_root_to(object + 50);
  EXPECT_EQ(kernel_.verdict(object), Verdict::Held);
}

TEST_P(KfenceTest, AnObjectThatIsInASheafIsFree_WhateverKfenceSays) {
  if (GetParam().barns == FakeBarns::None) return;
  Addr object = allocate(1, 60);
  u32 cache = kernel_.add_cache({.name = "shelved", .object_bytes = 64, .sheaf_capacity = 4});
  put(1, "cache", kernel_.cache(cache).address.value);
  EXPECT_EQ(kernel_.verdict(object), Verdict::Leaked);
  kernel_.give_sheaf(cache, 0, "main", kernel_.add_sheaf(cache, std::array{object}));
  EXPECT_EQ(kernel_.verdict(object), Verdict::NoBlock);
}

TEST_P(KfenceTest, BoundsOfAVmapAreaThatKfenceHasDoNotHoldItsNeighbour) {
  FakeArea area = kernel_.add_area(4, FakeKernel::kText + 0x40);
  Addr neighbour = allocate(1, kernel_.types().size("vmap_area"));
  put(1, "cache", kernel_.cache(kernel_.slab_of(area.area).cache).address.value);
  kernel_.add_root_to(neighbour);
  kernel_.put(neighbour, "vmap_area", "va_start", area.start - 4 * kPageBytes);
  kernel_.put(neighbour, "vmap_area", "va_end", area.start);
  EXPECT_EQ(kernel_.verdict(area.start), Verdict::Leaked);
  kernel_.point(kernel_.member(neighbour, "vmap_area", "list"), area.start);
  EXPECT_EQ(kernel_.verdict(area.start), Verdict::Held) << "another word of it";
}

TEST_P(KfenceTest, TheSameWhereTheArrayIsInPagesOfItsOwn) {
  Addr object = allocate(1, 100);
  move_array();
  EXPECT_EQ(kernel_.verdict(object), Verdict::Leaked);
  kernel_.add_root_to(object);
  EXPECT_EQ(kernel_.verdict(object), Verdict::Held);
}

TEST_P(KfenceTest, WhatACallbackHasLeftInTheArrayDoesNotCount_InTheImageOrInPages) {
  Addr target = kernel_.kmalloc(64);
  for (bool is_moved : {false, true}) {
    if (is_moved) move_array();
    put(2, "callback_head", target.value);
    EXPECT_EQ(kernel_.verdict(target), Verdict::Leaked) << is_moved;
    put(2, "list", target.value);
    EXPECT_EQ(kernel_.verdict(target), Verdict::Held) << is_moved;
    put(2, "list", 0);
  }
}

TEST_P(KfenceTest, WhatOnlyAnObjectOfKfencePointsToIsHeld_AsLongAsTheObjectIs) {
  Addr object = allocate(2, 64), target = kernel_.kmalloc(64);
  kernel_.add_root_to(object);
  kernel_.point(object + 8, target);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held);
  put(2, "state", 2);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Leaked);
  EXPECT_EQ(kernel_.verdict(object), Verdict::NoBlock);
}

TEST_P(KfenceTest, WithoutKfencesArrayItsPagesAreSlabsWithoutObjects) {
  Addr object = allocate(1, 100), target = kernel_.kmalloc(64);
  kernel_.add_root_to(object);
  kernel_.point(object, target);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held);
  kernel_.globals.kfence.metadata.reset();
  EXPECT_EQ(kernel_.verdict(target), Verdict::Leaked);
}

TEST_P(KfenceTest, AnObjectIsOfTheSizeThatWasAskedFor_AndBelongsToItsCache) {
  Addr object = allocate(3, 100);
  FakeScan scan = kernel_.scan();
  auto block = scan.look->index->find(object.value + 99);
  ASSERT_TRUE(block);
  EXPECT_EQ(scan.look->snapshot.shape_of(scan.look->snapshot.spans[block->span]).object_bytes, 100U);
  EXPECT_FALSE(scan.look->index->find(object.value + 100));
  EXPECT_EQ(kernel_.owners()[scan.owner(object)].name, "kmalloc-128");
}

TEST_P(KfenceTest, PagesOfThePoolThatAreNotMappedAreNoGap_OthersAre) {
  constexpr u64 kLargePage = 2 * FakeKernel::kMiB, kPoolBytes = 2 * (kEntries + 1) * kPageBytes;
  kernel_.unmap_page(pool_);  // and what is in the same large page
  kernel_.memory().forget_tables();
  EXPECT_EQ(kernel_.scan().look->gaps.unmapped_linear_bytes, kLargePage - kPoolBytes);
  kernel_.globals.kfence.pool.reset();
  EXPECT_EQ(kernel_.scan().look->gaps.unmapped_linear_bytes, kLargePage);
}

TEST_P(KfenceTest, TheArrayEndsWhereAnEntryHasNoAddressInItsPage) {
  EXPECT_EQ(read().count, kEntries);
  EXPECT_EQ(read().pool, (Range{pool_, 2 * (kEntries + 1) * kPageBytes}));
  put(3, "addr", page_of(4).value);
  EXPECT_EQ(read().count, 3U);
  put(0, "addr", 0);
  EXPECT_EQ(read().pool.size_bytes, 0U);
}

TEST_P(KfenceTest, AnObjectThatDoesNotFitInItsPageIsNone) {
  allocate(1, 100);
  EXPECT_EQ(read().objects.size(), 1U);
  for (u64 size : {u64{0}, u64{200}, ~u64{0}}) {
    put(1, "size", size);
    EXPECT_EQ(read().objects.size(), 0U) << size;
  }
}

TEST_P(KfenceTest, OnlyPagesOfObjectsHaveAnEntry) {
  Kfence kfence = read();
  const KfenceLayout& layout = *kernel_.layouts().origins.kfence;
  EXPECT_EQ(kfence_entry(kfence, layout, page_of(2) + 17), array_ + 2 * entry_bytes());
  EXPECT_EQ(kfence_entry(kfence, layout, page_of(2) + kPageBytes), std::nullopt);
  EXPECT_EQ(kfence_entry(kfence, layout, pool_), std::nullopt);
  EXPECT_EQ(kfence_entry(kfence, layout, pool_ - 1), std::nullopt);
  EXPECT_EQ(kfence_entry(kfence, layout, kfence.pool.end()), std::nullopt);
}

TEST_P(KfenceTest, LookingAgainFindsOutWhenOneWasFreed) {
  Addr stays = allocate(1, 100), goes = allocate(2, 100);
  Recheck recheck(kernel_.kernel(), kernel_.owners(), {kernel_.cpu_offset(0), kernel_.cpu_offset(1)}, {goes, stays});
  ASSERT_TRUE(recheck.look());
  EXPECT_FALSE(recheck.was_freed(goes));
  put(2, "state", 3);
  ASSERT_TRUE(recheck.look());
  EXPECT_TRUE(recheck.was_freed(goes));
  EXPECT_FALSE(recheck.was_freed(stays));
}

}  // namespace
}  // namespace orphan::kernel
