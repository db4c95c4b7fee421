// SPDX-License-Identifier: Apache-2.0
#include "kernel/vmalloc.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr Verdict H = Verdict::Held, L = Verdict::Leaked, N = Verdict::NoBlock;
constexpr u64 kVmAlloc = 2;

class VmallocTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  FakeArea area_ = kernel_.add_area(3);

  Vmalloc read() {
    auto result = read_vmalloc(kernel_.memory(), kernel_.layouts().vmalloc, kernel_.globals.vmalloc);
    VERIFY(bool(result));
    return std::move(*result);
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, VmallocTest, testing::ValuesIn(kVersions), version_name);

TEST_P(VmallocTest, AnAreaThatNothingRefersToIsLeaked_AllocatorsRecordsOfItDoNotCount) {
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.verdict(area_.start), L);
  EXPECT_EQ(scan.verdict(area_.start + 3 * kPageBytes - 1), L);
  EXPECT_EQ(scan.verdict(area_.start + 3 * kPageBytes), N) << "the guard page";
  EXPECT_EQ(scan.verdict(area_.vm), H);
  EXPECT_EQ(scan.verdict(area_.area), H);
}

TEST_P(VmallocTest, AnyAddressInAnAreaHoldsIt_TheGuardPageDoesNot) {
  struct Case {
    u64 offset;
    Verdict expected;
  };
  for (const Case& c : {Case{0, H}, Case{kPageBytes + 8, H}, Case{3 * kPageBytes - 1, H}, Case{3 * kPageBytes, L}}) {
    Addr root = kernel_.add_root_to(area_.start + c.offset);
    EXPECT_EQ(kernel_.verdict(area_.start), c.expected) << c.offset;
    kernel_.put_word(root, 0);
  }
}

TEST_P(VmallocTest, WhoKeepsTheVmStructKeepsTheArea) {
  Addr owner = kernel_.kmalloc(64);
  kernel_.point(owner + 8, area_.vm);
  EXPECT_EQ(kernel_.verdict(area_.start), L) << "the owner is leaked itself";
  kernel_.add_root_to(owner);
  EXPECT_EQ(kernel_.verdict(area_.start), H);
}

TEST_P(VmallocTest, TheContentsOfAnAreaCountWhenItIsHeld) {
  Addr target = kernel_.kmalloc(64);
  kernel_.point(area_.start + 2 * kPageBytes + 16, target);
  EXPECT_EQ(kernel_.verdict(target), L) << "the pages behind an area are no pages of their own";
  kernel_.add_root_to(area_.start);
  EXPECT_EQ(kernel_.verdict(target), H);
}

TEST_P(VmallocTest, BoundsOfANeighbourDoNotHold_TheSameWordsElsewhereDo) {
  // A free area ends where ours begins; its record is still referred to, from the tree of free areas.
  Addr neighbour = kernel_.allocate(1);
  ASSERT_EQ(kernel_.scan().owner(neighbour), kernel_.scan().owner(area_.area)) << "both are vmap_areas";
  kernel_.add_root_to(neighbour);
  kernel_.put(neighbour, "vmap_area", "va_start", area_.start - 4 * kPageBytes);
  kernel_.put(neighbour, "vmap_area", "va_end", area_.start);
  EXPECT_EQ(kernel_.verdict(area_.start), L);
  Addr other = kernel_.kmalloc(64);
  kernel_.add_root_to(other);
  kernel_.put_word(other, area_.start.value - 4 * kPageBytes);
  kernel_.put_word(other + 8, area_.start.value);
  EXPECT_EQ(kernel_.verdict(area_.start), H);
}

TEST_P(VmallocTest, InACacheThatIsSharedOnlyWhatHasBoundsIsTakenForARecordOfAnArea) {
  Addr stranger = kernel_.allocate(1);
  kernel_.add_root_to(stranger);
  kernel_.put(stranger, "vmap_area", "va_start", area_.start + 8);  // not at a page
  kernel_.put(stranger, "vmap_area", "va_end", area_.start + kPageBytes);
  EXPECT_EQ(kernel_.verdict(area_.start), H);
}

TEST_P(VmallocTest, AnAreaTellsItsSizeAndItsCaller) {
  FakeArea other = kernel_.add_area(1, FakeKernel::kText + 0x77);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(kernel_.owners()[scan.owner(area_.start)].caller, FakeKernel::kText + 0x40);
  EXPECT_EQ(kernel_.owners()[scan.owner(other.start)].caller, FakeKernel::kText + 0x77);
  EXPECT_EQ(kernel_.owners()[scan.owner(other.start)].kind, BlockKind::Vmalloc);
}

TEST_P(VmallocTest, WhatHasNoPagesOfItsOwnIsNoBlock) {
  struct Case {
    const char* what;
    std::function<void(const FakeArea&)> change;
  };
  auto vm = [&](const FakeArea& area, std::string_view path, u64 value) { kernel_.put(area.vm, "vm_struct", path, value); };
  const Case cases[] = {
      {"device memory", [&](const FakeArea& area) { vm(area, "flags", 1); }},
      {"pages of somebody else's", [&](const FakeArea& area) { vm(area, "flags", 4); }},
      {"not set up yet", [&](const FakeArea& area) { vm(area, "flags", kVmAlloc | 0x20); }},
      {"no list of pages", [&](const FakeArea& area) { vm(area, "pages", 0); }},
      {"no pages", [&](const FakeArea& area) { vm(area, "nr_pages", 0); }},
      {"more pages than room", [&](const FakeArea& area) { vm(area, "nr_pages", 4000); }},
      {"another's vm_struct", [&](const FakeArea& area) { vm(area, "addr", area.start.value + kPageBytes); }},
      {"no vm_struct", [&](const FakeArea& area) { kernel_.put(area.area, "vmap_area", "vm", 0); }},
      {"something else in its place", [&](const FakeArea& area) { kernel_.put(area.area, "vmap_area", "vm", 0x1234); }},
  };
  for (const Case& c : cases) {
    FakeArea area = kernel_.add_area(2);
    ASSERT_EQ(kernel_.verdict(area.start), L) << c.what;
    c.change(area);
    EXPECT_EQ(kernel_.verdict(area.start), N) << c.what;
    EXPECT_EQ(kernel_.verdict(area_.start), L) << c.what << ": the other areas are as they were";
  }
}

TEST_P(VmallocTest, AListThatChangesWhileItIsReadIsReadAgain) {
  u64 areas = read().areas.size();
  Addr next = kernel_.member(area_.area, "vmap_area", "list");
  u64 was = kernel_.word(next);
  kernel_.point(next, next);  // led astray, once
  kernel_.ram().watch({area_.area, 8}, [&](u64 n) {
    if (n == 2) kernel_.put_word(next, was);
  });
  Vmalloc result = read();
  EXPECT_EQ(result.areas.size(), areas);
  EXPECT_EQ(result.restarts, 1U);
  EXPECT_EQ(result.broken_lists, 0U);
}

TEST_P(VmallocTest, ARecordThatBecameAnothersFurtherOnSkipsNothing) {
  // While the walk is at the record before ours, ours is taken off the list and used for an area behind all others.
  FakeArea other = kernel_.add_area(1);
  FakeArea last = kernel_.add_area(1);
  u64 areas = read().areas.size();
  Addr link = kernel_.member(area_.area, "vmap_area", "list");
  Addr last_link = kernel_.member(last.area, "vmap_area", "list");
  u64 was = kernel_.word(link);
  kernel_.point(link, last_link);  // over `other`
  kernel_.ram().watch({area_.area, 8}, [&](u64 n) {
    if (n == 2) kernel_.put_word(link, was);
  });
  Vmalloc result = read();
  EXPECT_EQ(result.restarts, 1U);
  EXPECT_EQ(result.areas.size(), areas);
}

TEST_P(VmallocTest, AListThatNeverHoldsStillIsAGap) {
  struct Case {
    const char* what;
    std::function<void()> damage;
  };
  Addr link = kernel_.member(area_.area, "vmap_area", "list");
  const Case cases[] = {
      {"a circle", [&] { kernel_.point(link, link); }},
      {"a link back that leads elsewhere", [&] { kernel_.point(link + 8, link); }},
      {"a wild pointer", [&] { kernel_.put_word(link, 0xdead'0000'0000'0100); }},
      {"bounds in the wrong order", [&] { kernel_.put(area_.area, "vmap_area", "va_end", area_.start - 8); }},
      {"no address of the right kind", [&] { kernel_.put(area_.area, "vmap_area", "va_start", 0x1000); }},
  };
  u64 was_link = kernel_.word(link), was_back = kernel_.word(link + 8);
  for (const Case& c : cases) {
    c.damage();
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(scan.look->gaps.broken_area_lists, 1U) << c.what;
    EXPECT_EQ(scan.verdict(area_.start), N) << c.what;
    kernel_.put_word(link, was_link);
    kernel_.put_word(link + 8, was_back);
    kernel_.put(area_.area, "vmap_area", "va_start", area_.start);
    kernel_.put(area_.area, "vmap_area", "va_end", area_.start + 4 * kPageBytes);
    EXPECT_EQ(kernel_.scan().look->gaps.broken_area_lists, 0U) << c.what;
  }
}

TEST_P(VmallocTest, AnAreaThatWasFreedIsNoBlock) {
  kernel_.remove_area(area_);
  EXPECT_EQ(kernel_.verdict(area_.start), N);
}

TEST_P(VmallocTest, AnAreaThatIsFreedLazilyLeadsToTheNextOnKernelsThatLinkThemThere_OneInUseDoesNotByItsVmStruct) {
  FakeArea one = kernel_.add_area(2), two = kernel_.add_area(2);
  Addr first = one.area, second = two.area, link = kernel_.member(first, "vmap_area", "vm");
  u64 vm = kernel_.word(link);
  kernel_.add_root_to(first);  // the list of areas to be freed
  EXPECT_EQ(kernel_.verdict(second), H) << "on the list of areas in use";
  for (const FakeArea& area : {one, two}) kernel_.remove_area(area);
  kernel_.put_word(kernel_.member(second, "vmap_area", "vm"), 0);
  for (Addr area : {first, second}) kernel_.put_word(kernel_.member(area, "vmap_area", "list"), 0xdead'0000'0000'0100);
  kernel_.put_word(link, 0);
  EXPECT_EQ(kernel_.verdict(second), L);
  kernel_.point(link, kernel_.member(second, "vmap_area", "vm"));
  EXPECT_EQ(kernel_.verdict(second), kernel_.layouts().vmalloc.has_purge_list ? H : L);
  kernel_.put_word(link, vm);
  EXPECT_EQ(kernel_.verdict(second), L);
}

TEST_P(VmallocTest, TheVmStructThatAFreedAreaKeepsInItsRecordIsNotHeldByIt) {
  FakeArea freed = kernel_.add_area(1);
  kernel_.remove_area(freed);
  kernel_.add_root_to(freed.area);
  Addr target = kernel_.kmalloc(64);  // where the vm_struct was
  kernel_.put(freed.area, "vmap_area", "vm", target);
  EXPECT_EQ(kernel_.verdict(target), kernel_.layouts().vmalloc.has_purge_list ? H : L);
}

TEST(VmallocNodes, AnAbsurdNumberOfListsIsAnError) {
  FakeKernel kernel(kLike6_12);
  for (u32 count : {0U, 5000U}) {
    kernel.put_word(*kernel.globals.vmalloc.node_count, count);
    auto result = read_vmalloc(kernel.memory(), kernel.layouts().vmalloc, kernel.globals.vmalloc);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::BadData);
  }
}

}  // namespace
}  // namespace orphan::kernel
