// SPDX-License-Identifier: Apache-2.0
// Who allocated a block, as SLUB's user tracking, the stack depot and KFENCE of the made-up kernel have it.
#include "kernel/origins.h"

#include <gtest/gtest.h>

#include <list>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr u64 kTickNs = 4'000'000, kNow = 4'295'000'000;  // 250 ticks a second, 428 s after the start
constexpr u64 kStart = (u64{1} << 32) - 300 * 250;

class OriginsTest : public testing::TestWithParam<FakeVersion> {
 protected:
  OriginsTest() {
    kernel_.globals.jiffies = kernel_.add_global(8);
    kernel_.put_word(*kernel_.globals.jiffies, kNow);
    Addr source = kernel_.add_global(kernel_.types().size("clocksource"));
    kernel_.globals.jiffies_source = source;
    kernel_.put(source, "clocksource", "mult", kTickNs << 8);
    kernel_.put(source, "clocksource", "shift", 8);
    pools_ = kernel_.add_global(64);
    kernel_.globals.stack_pools = pools_;
    pool_ = kernel_.page(kernel_.add_plain_pages());
    kernel_.point(pools_ + kPool * 8, pool_);
  }
  bool has_depot() const { return kernel_.types().has("stack_record"); }
  u32 store_user() const {
    return GetParam().is_typed ? 1U << kernel_.types().enumerator("_slab_flag_bits", "_SLAB_STORE_USER") : 0x1'0000U;
  }
  u32 track_bytes() const { return kernel_.types().size("track"); }
  // The free pointer stands behind the object, as it does where objects are poisoned.
  u32 add_tracked_cache(u32 flags) {
    u32 size = 64 + 8 + track_bytes() + 8;
    u32 number = kernel_.add_cache(
        {.name = "tracked", .object_bytes = 60, .size_bytes = size, .free_pointer = 64, .left_pad_bytes = 64, .flags = flags});
    kernel_.put(kernel_.cache(number).address, "kmem_cache", "inuse", 64);
    return number;
  }
  u32 handle_of(u64 offset) const {
    const FakeTypes& types = kernel_.types();
    bool is_old = types.member("handle_parts", "offset").bit_size == 0;
    if (is_old) return 0;
    auto part = [&](std::string_view name, u64 value) {
      Member m = types.member("handle_parts", name);
      return static_cast<u32>(value << (m.offset_bytes * 8 + m.bit_offset));
    };
    u32 extra = part("extra", 3);
    if (GetParam().is_typed) return part("pool_index_plus_1", kPool + 1) | part("offset", offset / 16) | extra;
    return part("slabindex", kPool) | part("offset", offset / 16) | part("valid", 1) | extra;
  }
  u32 add_stack(std::span<const u64> frames) {
    Addr record = pool_ + used_;
    u32 handle = handle_of(used_);
    kernel_.put(record, "stack_record", "handle", handle & ~extra_mask());
    kernel_.put(record, "stack_record", "size", frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i)
      kernel_.put_word(kernel_.member(record, "stack_record", "entries") + i * 8, frames[i]);
    used_ += 256;
    return handle;
  }
  u32 extra_mask() const {
    Member m = kernel_.types().member("handle_parts", "extra");
    return static_cast<u32>(((u64{1} << m.bit_size) - 1) << (m.offset_bytes * 8 + m.bit_offset));
  }
  // What the kernel writes when the object is allocated.
  void track(Addr object, std::span<const u64> frames, u32 pid) {
    Addr track = object + 72;
    if (has_depot()) {
      kernel_.put(track, "track", "handle", add_stack(frames));
    } else {
      for (std::size_t i = 0; i < frames.size(); ++i)
        kernel_.put_word(kernel_.member(track, "track", "addrs") + i * 8, frames[i]);
    }
    kernel_.put(track, "track", "pid", pid);
    kernel_.put(track, "track", "when", kNow - 2500);
  }
  Origin origin_of(Addr object) {
    origins_ = std::make_unique<Origins>(kernel(), tasks_);
    return origins_->of(object);
  }
  const Kernel& kernel() { return kept_.emplace_back(kernel_.kernel()); }
  std::vector<u64> stack_of(Addr object) {
    Origin origin = origin_of(object);
    std::vector<u64> words;
    for (Addr frame : origins_->stack(origin.stack)) words.push_back(frame.value);
    return words;
  }

  static constexpr u64 kPool = 3;
  const std::vector<u64> frames_{0xffff'ffff'8100'1111, 0xffff'ffff'8100'2222, 0xffff'ffff'c000'3333};
  FakeKernel kernel_{GetParam()};
  Addr pools_, pool_;
  u64 used_ = 64;
  std::vector<Task> tasks_;
  std::list<Kernel> kept_;
  std::unique_ptr<Origins> origins_;
};
INSTANTIATE_TEST_SUITE_P(Versions, OriginsTest, testing::ValuesIn(kVersions), version_name);

TEST_P(OriginsTest, AnObjectOfATrackedCacheHasItsStackItsTaskAndItsAge_OneOfAnotherHasNone) {
  for (bool is_tracked : {true, false}) {
    Addr object = kernel_.allocate(add_tracked_cache(is_tracked ? store_user() : 0));
    track(object, frames_, 77);
    EXPECT_EQ(stack_of(object), is_tracked ? frames_ : std::vector<u64>{});
    Origin origin = origin_of(object);
    EXPECT_EQ(origin.pid.has_value(), is_tracked);
    if (!is_tracked) continue;
    EXPECT_EQ(origin.pid, 77U);
    EXPECT_EQ(origin.jiffies, kNow - 2500);
    EXPECT_DOUBLE_EQ(origin.age_s.value_or(0), 10.0);
  }
}

TEST_P(OriginsTest, WhereTheFreePointerIsInTheObjectTheTrackFollowsIt) {
  u32 cache = kernel_.add_cache(
      {.name = "inside", .object_bytes = 64, .size_bytes = 72 + track_bytes(), .free_pointer = 32, .flags = store_user()});
  kernel_.put(kernel_.cache(cache).address, "kmem_cache", "inuse", 72);
  Addr object = kernel_.allocate(cache);
  track(object, frames_, 77);
  EXPECT_EQ(stack_of(object), frames_);
}

TEST_P(OriginsTest, EqualStacksHaveEqualNumbers_OthersOthers) {
  u32 cache = add_tracked_cache(store_user());
  Addr first = kernel_.allocate(cache), second = kernel_.allocate(cache), third = kernel_.allocate(cache);
  track(first, frames_, 1);
  track(second, frames_, 2);
  track(third, std::vector<u64>{frames_[1]}, 1);
  Origins origins(kernel(), tasks_);
  u32 number = origins.of(first).stack;
  EXPECT_NE(number, 0U);
  EXPECT_EQ(origins.of(second).stack, number);
  EXPECT_NE(origins.of(third).stack, number);
}

TEST_P(OriginsTest, AnObjectFromBeforeTheTrackingBeganHasNoOrigin) {
  Addr object = kernel_.allocate(add_tracked_cache(store_user()));
  Origin origin = origin_of(object);
  EXPECT_EQ(origin.stack, 0U);
  EXPECT_FALSE(origin.pid || origin.age_s);
}

TEST_P(OriginsTest, AnAddressInTheMiddleOfAnObjectOrOutsideOfSlabsHasNoOrigin) {
  Addr object = kernel_.allocate(add_tracked_cache(store_user()));
  track(object, frames_, 77);
  EXPECT_FALSE(origin_of(object + 8).pid);
  EXPECT_FALSE(origin_of(kernel_.page(kernel_.add_plain_pages())).pid);
  EXPECT_FALSE(origin_of(Addr{0x1000}).pid);
}

TEST_P(OriginsTest, AHandleThatNoRecordCarriesHasNoStack) {
  if (!has_depot()) return;
  Addr object = kernel_.allocate(add_tracked_cache(store_user()));
  track(object, frames_, 77);
  kernel_.put(pool_ + 64, "stack_record", "size", 100'000);
  EXPECT_EQ(stack_of(object).size(), 0U) << "an absurd size";
  kernel_.put(pool_ + 64, "stack_record", "size", frames_.size());
  EXPECT_EQ(stack_of(object), frames_);
  kernel_.put(pool_ + 64, "stack_record", "handle", 0x1234'5678);
  EXPECT_EQ(stack_of(object).size(), 0U) << "another's handle";
  EXPECT_EQ(origin_of(object).pid, 77U) << "the rest of the track is as good as before";
}

TEST_P(OriginsTest, ThePoolsMayHangOnAPointer) {
  if (!has_depot()) return;
  Addr object = kernel_.allocate(add_tracked_cache(store_user()));
  track(object, frames_, 77);
  kernel_.globals.stack_pools = kernel_.add_global(8);
  EXPECT_EQ(stack_of(object).size(), 0U);
  kernel_.point(*kernel_.globals.stack_pools, pools_);
  EXPECT_EQ(stack_of(object), frames_);
}

TEST_P(OriginsTest, ATaskIsNamedIfItIsOlderThanTheBlock_AnotherThatHasItsNumberNowIsNot) {
  Addr object = kernel_.allocate(add_tracked_cache(store_user()));
  track(object, frames_, 77);
  Addr task = kernel_.add_task(77);
  tasks_.resize(1);
  tasks_[0].task = task;
  tasks_[0].pid = 77;
  tasks_[0].name = "insmod";
  u64 allocated_ns = (kNow - 2500 - kStart) * kTickNs;
  kernel_.put(task, "task_struct", "start_time", allocated_ns - kTickNs);
  EXPECT_EQ(origin_of(object).comm, "insmod");
  kernel_.put(task, "task_struct", "start_time", allocated_ns + kTickNs);
  EXPECT_EQ(origin_of(object).comm, "");
}

TEST_P(OriginsTest, WithoutTheKernelsClockThereAreNoAges) {
  Addr object = kernel_.allocate(add_tracked_cache(store_user()));
  track(object, frames_, 77);
  kernel_.globals.jiffies_source.reset();
  Origin origin = origin_of(object);
  EXPECT_EQ(origin.jiffies, kNow - 2500);
  EXPECT_FALSE(origin.age_s);
}

TEST_P(OriginsTest, KfenceKnowsWhoAllocatedItsObjects) {
  Addr pool = kernel_.page(kernel_.add_plain_pages(4)), entry = kernel_.add_global(kernel_.types().size("kfence_metadata"));
  Addr object = pool + 2 * kPageBytes + 96;
  kernel_.globals.kfence = {.pool = kernel_.add_global(8), .metadata = entry};
  kernel_.point(*kernel_.globals.kfence.pool, pool);
  auto put = [&](std::string_view path, u64 value) { kernel_.put(entry, "kfence_metadata", path, value); };
  put("addr", object.value);
  put("size", 40);
  put("state", 1);
  put("alloc_track.pid", 12);
  put("alloc_track.ts_nsec", (kNow - kStart - 250) * kTickNs);
  put("alloc_track.num_stack_entries", frames_.size());
  for (std::size_t i = 0; i < frames_.size(); ++i)
    kernel_.put_word(kernel_.member(entry, "kfence_metadata", "alloc_track.stack_entries") + i * 8, frames_[i]);
  EXPECT_EQ(stack_of(object), frames_);
  Origin origin = origin_of(object);
  EXPECT_EQ(origin.pid, 12U);
  EXPECT_EQ(origin.jiffies, kNow - 250);
  EXPECT_DOUBLE_EQ(origin.age_s.value_or(0), 1.0);
  EXPECT_EQ(stack_of(object + 8).size(), 0U) << "not its start";
  put("alloc_track.num_stack_entries", 65);
  EXPECT_EQ(stack_of(object).size(), 0U) << "more than there is room for";
  put("state", 3);
  EXPECT_FALSE(origin_of(object).pid) << "free";
}

TEST(OriginLayouts, AFeatureWhoseMemberIsMissingIsOff_AndTheOthersStayOn) {
  struct Case {
    const char* removed;
    bool has_track, has_depot, has_kfence;
  };
  for (const Case& c :
       {Case{"slab_sheaf.none", true, true, true}, Case{"track.pid", false, true, true},
        Case{"kmem_cache.inuse", false, true, true}, Case{"stack_record.size", true, false, true},
        Case{"handle_parts.offset", true, false, true}, Case{"kfence_metadata.size", true, true, false},
        Case{"kfence_track.pid", true, true, false}, Case{"kfence_object_state.KFENCE_OBJECT_ALLOCATED", true, true, false}}) {
    FakeTypes types = FakeTypes::of(kLike6_1);
    if (std::string_view(c.removed) != "slab_sheaf.none") types.remove(c.removed);
    OriginLayouts layouts = OriginLayouts::resolve(types.load());
    EXPECT_EQ(layouts.track.has_value(), c.has_track) << c.removed;
    EXPECT_EQ(layouts.depot.has_value(), c.has_depot) << c.removed;
    EXPECT_EQ(layouts.kfence.has_value(), c.has_kfence) << c.removed;
  }
}

TEST_P(OriginsTest, PagesHaveTheStackThatPageOwnerNoted) {
  if (!has_depot()) return;
  Addr key = kernel_.add_global(kernel_.types().size("static_key"));
  Addr operations = kernel_.add_global(kernel_.types().size("page_ext_operations"));
  Addr size = kernel_.add_global(8), table = kernel_.add_global(8);
  u64 bytes = 8 + kernel_.types().size("page_ext") + kernel_.types().size("page_owner");
  kernel_.globals.page_owner = {key, operations, size, table};
  kernel_.put(key, "static_key", "enabled", 1);
  kernel_.put(operations, "page_ext_operations", "offset", bytes - kernel_.types().size("page_owner"));
  kernel_.put_word(size, bytes);
  u64 frame = kernel_.add_plain_pages();
  Addr roots = kernel_.page(kernel_.add_plain_pages()), root = kernel_.page(kernel_.add_plain_pages());
  Addr record = kernel_.page(kernel_.add_plain_pages());
  kernel_.point(table, roots);
  kernel_.point(roots, root);
  kernel_.put(root, "mem_section", "page_ext", record - frame * bytes);
  kernel_.put(record + (bytes - kernel_.types().size("page_owner")), "page_owner", "handle", add_stack(frames_));
  Origins without(kernel(), tasks_);
  EXPECT_EQ(without.of_pages(kernel_.page(frame)).stack, 0U) << "the page is free";
  kernel_.put(record, "page_ext", "flags", 2);
  Origins with(kernel(), tasks_);
  std::vector<u64> words;
  for (Addr at : with.stack(with.of_pages(kernel_.page(frame)).stack)) words.push_back(at.value);
  EXPECT_EQ(words, frames_);
}

}  // namespace
}  // namespace orphan::kernel
