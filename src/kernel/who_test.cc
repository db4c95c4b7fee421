// SPDX-License-Identifier: Apache-2.0
#include "kernel/who.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"
#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

class WhoTest : public testing::TestWithParam<FakeVersion> {
 protected:
  WhoTest() : symbols_(fake_symbols({{kFakeText + 8 * kPageBytes, "data"}})) {}

  std::vector<Who> ask(std::vector<Addr> addresses, u64 max_referrers = 20) {
    WhoTarget target{kernel_.kernel(), kernel_.owners(), symbols_, types_, read_text, "/nowhere/at/all/"};
    auto answers = who(target, {.addresses = std::move(addresses), .max_referrers = max_referrers}, {});
    if (!answers) bug(answers.error().text().c_str());
    return std::move(*answers);
  }
  Who ask(Addr address) { return ask(std::vector<Addr>{address}).at(0); }

  FakeKernel kernel_{GetParam()};
  Btf types_ = kernel_.types().load();
  Symbols symbols_;
};
INSTANTIATE_TEST_SUITE_P(Versions, WhoTest, testing::ValuesIn(kVersions), version_name);

TEST_P(WhoTest, AnObjectIsNamedByItsCacheAndSize_InteriorAddressesHaveTheirOffset) {
  Addr object = kernel_.kmalloc(128);
  Who who = ask(object + 24);
  ASSERT_TRUE(who.block);
  EXPECT_EQ(who.block->address, object);
  EXPECT_EQ(who.block->size_bytes, 128U);
  EXPECT_EQ(who.block->cache, "kmalloc-128");
  EXPECT_EQ(who.offset_bytes, 24U);
  EXPECT_EQ(who.contents.size(), 128U);
}

TEST_P(WhoTest, TheTypeIsSaidWhereTheCacheHasOne_AndTheMemberThatPoints) {
  Addr object = kernel_.kmalloc(128), area = kernel_.allocate(kernel_.add_cache({.name = "kfence_track", .object_bytes = 128}));
  EXPECT_EQ(ask(object).type, "");
  if (kernel_.types().size("kfence_track") != 128) return;
  u32 place = kernel_.offset("kfence_track", "ts_nsec");
  kernel_.point(area + place, object);
  Who who = ask(area);
  EXPECT_EQ(who.type, "struct kfence_track");
  EXPECT_EQ(who.type_reason, "");
  ASSERT_EQ(who.evidence.size(), 1U);
  EXPECT_EQ(who.evidence[0].text, "kmalloc-128+0x0 (unreferenced too)");
  EXPECT_EQ(who.evidence[0].field, "ts_nsec");
}

TEST_P(WhoTest, TheStateIsUnreferenced_ReferencedWithARoot_FreeAfterAFree) {
  Addr object = kernel_.kmalloc(64);
  Addr neighbour = kernel_.kmalloc(64);  // keeps the slab
  kernel_.add_root_to(neighbour);
  EXPECT_EQ(ask(object).block->state, BlockState::Unreferenced);
  Addr root = kernel_.add_root_to(object);
  EXPECT_EQ(ask(object).block->state, BlockState::Referenced);
  kernel_.put_word(root, 0);
  kernel_.free(object);
  EXPECT_EQ(ask(object).block->state, BlockState::Free);
}

TEST_P(WhoTest, WhoPointsAtItIsListed_RootsByTheirVariableAndBlocksByTheirCache) {
  Addr object = kernel_.kmalloc(64), holder = kernel_.kmalloc(256);
  Addr root = kernel_.add_root_to(object);
  kernel_.point(holder + 16, object + 8);
  Who who = ask(object);
  ASSERT_EQ(who.referrer_count, 2U);
  EXPECT_FALSE(who.referrers[0].block);
  EXPECT_EQ(who.referrers[0].root, fmt::format("image: data+0x{:x}", root - (Addr{kFakeText} + 8 * kPageBytes)));
  ASSERT_TRUE(who.referrers[1].block);
  EXPECT_EQ(who.referrers[1].block->address, holder);
  EXPECT_EQ(who.referrers[1].block->state, BlockState::Unreferenced);
  EXPECT_EQ(who.referrers[1].offset_bytes, 16U);
  EXPECT_EQ(who.referrers[1].word, (object + 8).value);
}

TEST_P(WhoTest, ThePathLeadsFromARootThroughEveryBlock) {
  Addr object = kernel_.kmalloc(64), middle = kernel_.kmalloc(128), first = kernel_.kmalloc(256);
  kernel_.point(first + 8, middle);
  kernel_.point(middle + 32, object);
  EXPECT_TRUE(ask(object).path.empty()) << "no root";
  kernel_.add_root_to(first);
  Who who = ask(object);
  ASSERT_EQ(who.path.size(), 3U);
  EXPECT_TRUE(who.path[0].root.starts_with("image: data"));
  EXPECT_EQ(who.path[1].block->address, first);
  EXPECT_EQ(who.path[2].block->address, middle);
  EXPECT_EQ(who.path[2].offset_bytes, 32U);
  EXPECT_TRUE(who.is_path_whole);
}

TEST_P(WhoTest, OfALongPathTheStepsNearestToTheBlockAreKept) {
  Addr last = kernel_.kmalloc(64);
  Addr at = last;
  for (int i = 0; i < 40; ++i) {
    Addr before = kernel_.kmalloc(64);
    kernel_.point(before, at);
    at = before;
  }
  kernel_.add_root_to(at);
  Who who = ask(last);
  EXPECT_EQ(who.path.size(), 32U);
  EXPECT_FALSE(who.is_path_whole);
}

TEST_P(WhoTest, TheCountOfReferrersIsExact_TheListIsAsLongAsAskedFor) {
  Addr object = kernel_.kmalloc(64);
  for (int i = 0; i < 5; ++i) kernel_.add_root_to(object);
  Who who = ask({object}, 2).at(0);
  EXPECT_EQ(who.referrer_count, 5U);
  EXPECT_EQ(who.referrers.size(), 2U);
}

TEST_P(WhoTest, AWordInAPageDescriptorAndOneInAStackSayWhereTheyAre) {
  Addr object = kernel_.kmalloc(64);
  u64 page = kernel_.add_plain_pages();
  kernel_.put(kernel_.descriptor(page), "page", "private", object);
  Addr task = kernel_.add_task(77);
  Addr sp{kernel_.value(task, "task_struct", "thread.sp")};
  kernel_.point(sp + 512, object);
  Who who = ask(object);
  std::vector<std::string> roots;
  for (const Referrer& referrer : who.referrers) roots.push_back(referrer.root);
  ASSERT_EQ(roots.size(), 2U);
  EXPECT_EQ(roots[0], fmt::format("page descriptor of 0x{:x}", kernel_.page(page).value));
  EXPECT_TRUE(roots[1].starts_with("stack of task 77 (")) << roots[1];
}

TEST_P(WhoTest, WeakReferrersAreListedBesideTheOthers_OfAPlainPointerThereIsNone) {
  u32 cache = kernel_.add_cache({.name = "hard", .object_bytes = 72, .size_bytes = 96});
  Addr object = kernel_.allocate(cache);
  Addr root = kernel_.add_root_to(object);
  EXPECT_EQ(ask(object).weak_referrer_count, 0U);
  kernel_.put_word(root, (object + 72).value);
  Who who = ask(object);
  EXPECT_EQ(who.referrer_count, 0U);
  EXPECT_EQ(who.block->state, BlockState::Unreferenced);
  ASSERT_EQ(who.weak_referrers.size(), 1U);
  EXPECT_EQ(who.weak_referrers[0].weak_form, "one-past-end");
  EXPECT_TRUE(who.weak_referrers[0].root.starts_with("image: "));
}

TEST_P(WhoTest, APerCpuVariableIsNamedWithItsCpu) {
  Addr object = kernel_.kmalloc(64);
  kernel_.point(kernel_.percpu_variable(0x4000) + kernel_.cpu_offset(1), object);
  Who who = ask(object);
  ASSERT_EQ(who.referrer_count, 1U);
  EXPECT_TRUE(who.referrers[0].root.starts_with("per-CPU variable of CPU 1: ")) << who.referrers[0].root;
}

TEST_P(WhoTest, AVmallocAreaHasItsCaller_AndIsHeldThroughItsHandle) {
  FakeArea area = kernel_.add_area(2);
  kernel_.add_root_to(area.vm);
  Who who = ask(area.start + 100);
  ASSERT_TRUE(who.block);
  EXPECT_EQ(who.block->kind, BlockKind::Vmalloc);
  EXPECT_NE(who.block->caller.address, Addr{});
  ASSERT_EQ(who.referrer_count, 1U);
  EXPECT_TRUE(who.referrers[0].is_forwarded);
}

TEST_P(WhoTest, APerCpuBlockIsFoundByItsCookieAndByACopysAddress) {
  Addr cookie = kernel_.add_percpu(32);
  for (Addr at : {cookie, cookie + kernel_.cpu_offset(1)}) {
    Who who = ask(at);
    ASSERT_TRUE(who.block);
    EXPECT_EQ(who.block->address, cookie);
    EXPECT_EQ(who.block->kind, BlockKind::PerCpu);
    EXPECT_EQ(who.offset_bytes, 0U);
  }
}

TEST_P(WhoTest, WhereNoBlockIsThePlaceIsSaid) {
  u64 plain = kernel_.add_plain_pages();
  EXPECT_TRUE(ask(kernel_.page(plain) + 8).place.starts_with("kernel page "));
  EXPECT_TRUE(ask(kernel_.page(kernel_.add_user_page())).place.starts_with("page that is free"));
  EXPECT_TRUE(ask(kernel_.descriptor(plain)).place.starts_with("page descriptor of "));
  Addr task = kernel_.add_task(5);
  EXPECT_TRUE(ask(kernel_.stack_of(task) + 8).place.starts_with("stack of task 5 ("));
  EXPECT_EQ(ask(Addr{0x7fff'0000'0000}).place, "no memory of the kernel's that is known");
}

TEST_P(WhoTest, AddressesOfOneBlockAreAnsweredEach) {
  Addr object = kernel_.kmalloc(64);
  kernel_.add_root_to(object);
  auto answers = ask({object, object + 8, Addr{}});
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[0].referrer_count, 1U);
  EXPECT_EQ(answers[1].referrer_count, 1U);
  EXPECT_FALSE(answers[2].block);
}

}  // namespace
}  // namespace orphan::kernel
