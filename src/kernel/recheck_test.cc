// SPDX-License-Identifier: Apache-2.0
#include "kernel/recheck.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

class RecheckTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  u32 small_ = kernel_.add_cache({.name = "small", .object_bytes = 200});
  u32 big_ = kernel_.add_cache({.name = "big", .object_bytes = 3000, .order = 2});

  Recheck recheck_of(std::vector<Addr> objects) {
    return {kernel_.kernel(), kernel_.owners(), {kernel_.cpu_offset(0), kernel_.cpu_offset(1)}, std::move(objects)};
  }
  void look(Recheck& recheck) { ASSERT_TRUE(recheck.look()); }
  void make_plain(u64 frame) {
    kernel_.put(kernel_.descriptor(frame), "page", "flags", 0);
    kernel_.put(kernel_.descriptor(frame), "page", "page_type", ~u32{0});
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, RecheckTest, testing::ValuesIn(kVersions), version_name);

TEST_P(RecheckTest, AnObjectThatStaysAllocatedWasNotFreed) {
  std::vector<Addr> objects;
  for (u32 cache : {small_, big_, small_, big_, big_, big_, big_}) objects.push_back(kernel_.allocate(cache));
  Recheck recheck = recheck_of(objects);
  for (int i = 0; i < 3; ++i) look(recheck);
  for (Addr object : objects) EXPECT_FALSE(recheck.was_freed(object));
}

TEST_P(RecheckTest, AnObjectThatIsFreeInOneLookWasFreed_AlsoWhenItIsInUseAgain) {
  for (u32 cache : {small_, big_}) {
    Addr stays = kernel_.allocate(cache), goes = kernel_.allocate(cache);
    Recheck recheck = recheck_of({goes, stays});
    look(recheck);
    kernel_.free(goes);
    look(recheck);
    ASSERT_EQ(kernel_.allocate(cache), goes);
    look(recheck);
    EXPECT_TRUE(recheck.was_freed(goes));
    EXPECT_FALSE(recheck.was_freed(stays));
  }
}

TEST_P(RecheckTest, ASlotThatStaysFreeWasNotAllocated_OneThatDoesNotWas) {
  Addr stays = kernel_.allocate(small_), goes = kernel_.allocate(small_), keeps = kernel_.allocate(small_);
  kernel_.free(goes);
  kernel_.free(stays);
  Recheck recheck = recheck_of({stays, goes, keeps});
  look(recheck);
  for (Addr slot : {stays, goes}) EXPECT_FALSE(recheck.was_allocated(slot));
  ASSERT_EQ(kernel_.allocate(small_), stays);
  ASSERT_EQ(kernel_.allocate(small_), goes);
  kernel_.free(stays);
  look(recheck);
  EXPECT_FALSE(recheck.was_allocated(stays));
  EXPECT_TRUE(recheck.was_allocated(goes));
  kernel_.put(kernel_.slab_descriptor(keeps), "slab", "inuse", 3);
  look(recheck);
  EXPECT_TRUE(recheck.was_allocated(stays)) << "what does not hold still may be";
}

// With slub_debug the red zone before an object is as long as the object is aligned.
TEST_P(RecheckTest, ASlabWhosePadIsAPageLongIsLookedAt_AndThoseBehindIt) {
  u32 padded =
      kernel_.add_cache({.name = "padded", .object_bytes = 4096, .size_bytes = 8192, .left_pad_bytes = 4096, .order = 3});
  Addr first = kernel_.allocate(padded), second = kernel_.allocate(padded), behind = kernel_.allocate(small_);
  ASSERT_LT(first, behind);
  Recheck recheck = recheck_of({first, second, behind});
  look(recheck);
  for (Addr object : {first, second, behind}) EXPECT_FALSE(recheck.was_freed(object));
  kernel_.free(second);
  look(recheck);
  EXPECT_FALSE(recheck.was_freed(first));
  EXPECT_TRUE(recheck.was_freed(second));
  EXPECT_FALSE(recheck.was_freed(behind));
}

TEST_P(RecheckTest, AnObjectOnACpusFreelistIsFree) {
  if (!GetParam().has_cpu_slab) return;
  Addr stays = kernel_.allocate(small_), goes = kernel_.allocate(small_);
  Recheck recheck = recheck_of({stays, goes});
  kernel_.make_cpu_slab(stays, 1);
  kernel_.free_on_cpu(goes);
  look(recheck);
  EXPECT_TRUE(recheck.was_freed(goes));
  EXPECT_FALSE(recheck.was_freed(stays));
}

TEST_P(RecheckTest, AnObjectInASheafIsFree_AlsoInOneThatIsEmptiedMeanwhile) {
  if (GetParam().barns == FakeBarns::None) return;
  u32 cache = kernel_.add_cache({.name = "shelved", .object_bytes = 200, .sheaf_capacity = 4});
  Addr stays = kernel_.allocate(cache), goes = kernel_.allocate(cache), hurries = kernel_.allocate(cache);
  Recheck recheck = recheck_of({stays, goes, hurries});
  look(recheck);
  for (Addr object : {stays, goes, hurries}) EXPECT_FALSE(recheck.was_freed(object));
  Addr sheaf = kernel_.add_sheaf(cache, std::array{goes, hurries});
  kernel_.give_sheaf(cache, 0, "main", sheaf);
  kernel_.ram().watch({kernel_.page(kernel_.slab_of(goes).frame), 8}, [&](u64) { kernel_.put(sheaf, "slab_sheaf", "size", 1); });
  look(recheck);
  EXPECT_FALSE(recheck.was_freed(stays));
  EXPECT_TRUE(recheck.was_freed(goes));
  EXPECT_TRUE(recheck.was_freed(hurries)) << "it was in the sheaf when the look began";
}

TEST_P(RecheckTest, ObjectsOfASlabThatIsGoneWereFreed_OnWhicheverOfItsPages) {
  std::vector<Addr> objects;
  for (int i = 0; i < 5; ++i) objects.push_back(kernel_.allocate(big_));
  Recheck recheck = recheck_of(objects);
  look(recheck);
  make_plain(kernel_.slab_of(objects[0]).frame);
  look(recheck);
  for (Addr object : objects) EXPECT_TRUE(recheck.was_freed(object)) << std::hex << object.value;
}

TEST_P(RecheckTest, ASlabThatDoesNotHoldStillTellsNothing) {
  Addr object = kernel_.allocate(small_);
  Recheck recheck = recheck_of({object});
  kernel_.put(kernel_.slab_descriptor(object), "slab", "inuse", 3);
  look(recheck);
  EXPECT_FALSE(recheck.was_freed(object));
}

TEST_P(RecheckTest, APerCpuAreaThatIsFreeInOneLookWasFreed_AlsoWhenItIsInUseAgain) {
  Addr stays = kernel_.add_percpu_far(64), goes = kernel_.add_percpu_far(64);
  Recheck recheck = recheck_of({});
  for (Addr area : {stays, goes}) recheck.watch_area(area);
  look(recheck);
  Addr map{kernel_.value(kernel_.far_chunk(), "pcpu_chunk", "alloc_map")};
  u64 bits = 16, at = (goes - stays) / 4;  // the first area begins with the chunk; a bit for each four bytes
  u64 was = kernel_.word(map);
  kernel_.put_word(map, was & ~(((u64{1} << bits) - 1) << at));
  look(recheck);
  kernel_.put_word(map, was);
  look(recheck);
  EXPECT_TRUE(recheck.was_freed(goes));
  EXPECT_FALSE(recheck.was_freed(stays));
}

TEST_P(RecheckTest, ASlabThatHoldsStillIsReadOnce_UnlessItsFreeObjectsMayBeElsewhere) {
  Addr object = kernel_.allocate(small_);
  kernel_.free(kernel_.allocate(small_));  // a full slab would not be read at all
  Recheck recheck = recheck_of({object});
  u64 reads = 0;
  kernel_.ram().watch({kernel_.page(kernel_.slab_of(object).frame), 8}, [&](u64) { ++reads; });
  look(recheck);
  EXPECT_EQ(reads, 1U);
  look(recheck);
  EXPECT_EQ(reads, GetParam().barns == FakeBarns::None ? 1U : 2U);
  kernel_.allocate(small_);
  look(recheck);
  EXPECT_EQ(reads, GetParam().barns == FakeBarns::None ? 2U : 3U);
}

TEST_P(RecheckTest, ObjectsOutOfAllMemoryDoNoHarm) {
  Recheck recheck = recheck_of({Addr{0}, Addr{0x1234}, kernel_.page(1200), Addr{~u64{7}}});
  look(recheck);
}

}  // namespace
}  // namespace orphan::kernel
