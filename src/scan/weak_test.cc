// SPDX-License-Identifier: Apache-2.0
#include "scan/weak.h"

#include <gtest/gtest.h>

#include "scan/fake_heap.h"

namespace orphan {
namespace {

constexpr Addr kMap = FakeHeap::kLinear.start;
constexpr Addr kAreas = FakeHeap::kVmalloc.start;
constexpr Addr kRoot = FakeHeap::kRoots.start;
constexpr u64 kPage = 4096;
constexpr u64 kPhysical = u64{8} << 30;  // where kMap begins

// A slab of 32 objects, of which number 5 is the candidate and number 6 is free; and what is searched.
struct WeakHeap : FakeHeap {
  explicit WeakHeap(u64 stride_bytes = 96, u64 object_bytes = 96) : stride(stride_bytes) {
    first = add_slab(kMap + kPage, 32, stride_bytes, object_bytes);
    target = first + 5;
    snapshot.live.clear(target);
    reached = snapshot.live;
    snapshot.live.set(target);
    snapshot.page_descriptors = {kDescriptors, 64, kMap};
    add_root({kRoot, kPage});
  }

  Addr object(u64 n) const { return kMap + kPage + n * stride; }
  void free(u64 n) {
    snapshot.live.clear(first + n);
    reached.clear(first + n);
  }
  // One more block, which is the candidate instead.
  void aim_at(u64 slot) {
    target = slot;
    reached.resize(snapshot.live.size());
  }

  bool are_pages = false;  // the targets

  std::vector<WeakReference> search(u64 physical_start = kPhysical, unsigned address_bits = 48) const {
    BitVector targets;
    targets.resize(snapshot.live.size());
    targets.set(target);
    BitVector sources = reached;
    sources.resize(snapshot.live.size());
    std::vector<WeakReference> all;
    WeakSearch search{.space = {FakeHeap::kLinear, physical_start, address_bits},
                      .targets = &targets,
                      .sources = &sources,
                      .keep_going = {},
                      .are_pages = are_pages};
    EXPECT_TRUE(
        find_weak_references(snapshot, index(), memory, search, [&](const WeakReference& found) { all.push_back(found); }));
    return all;
  }
  // The forms that are found, each with the place of one.
  std::vector<std::pair<WeakForm, Addr>> forms(u64 physical_start = kPhysical, unsigned address_bits = 48) const {
    std::vector<std::pair<WeakForm, Addr>> result;
    for (const WeakReference& found : search(physical_start, address_bits)) result.emplace_back(found.form, found.at);
    return result;
  }

  u64 stride;
  u64 first = 0, target = 0;
  BitVector reached;
};

using Forms = std::vector<std::pair<WeakForm, Addr>>;

TEST(Weak, APlainPointerIsNone) {
  WeakHeap heap;
  heap.point(kRoot, heap.object(5));
  heap.point(kRoot + 8, heap.object(5) + 95);
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, OnePastTheEndCounts_WhereANeighboursPlaceIsItIsHis_AlsoAFreeOne) {
  WeakHeap apart(96, 72);
  apart.point(kRoot, apart.object(5) + 72);
  EXPECT_EQ(apart.forms(), Forms({{WeakForm::OnePastEnd, kRoot}}));
  apart.point(kRoot, apart.object(5) + 80);
  EXPECT_EQ(apart.forms(), Forms());
  WeakHeap heap;
  heap.point(kRoot, heap.object(6));
  EXPECT_EQ(heap.forms(), Forms());
  heap.free(6);
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, BehindTheLastPageOfASlabAnybodysMemoryIs) {
  WeakHeap heap(128, 128);  // 32 of them fill the page
  heap.aim_at(heap.first + 31);
  heap.reached.clear(heap.first + 31);
  heap.reached.set(heap.first + 5);
  heap.point(kRoot, heap.object(32));
  EXPECT_EQ(heap.forms(), Forms());
  WeakHeap with_rest;  // here the rest of the page is the slab's
  with_rest.aim_at(with_rest.first + 31);
  with_rest.reached.clear(with_rest.first + 31);
  with_rest.point(kRoot, with_rest.object(32));
  EXPECT_EQ(with_rest.forms(), Forms({{WeakForm::OnePastEnd, kRoot}}));
}

TEST(Weak, VmallocAreasHaveNobodyBesideThem) {
  WeakHeap heap;
  heap.aim_at(heap.add_block(kAreas + 2 * kPage, kPage));
  heap.point(kRoot, kAreas + 3 * kPage);
  heap.point(kRoot + 8, kAreas + 2 * kPage - 8);
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::OnePastEnd, kRoot}, {WeakForm::BeforeStart, kRoot + 8}}));
  heap.add_block(kAreas + 3 * kPage, kPage);
  heap.reached.resize(heap.snapshot.live.size());
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::BeforeStart, kRoot + 8}}));
}

TEST(Weak, UpToEightBytesBelowTheStartCount_UnlessANeighboursPlaceIsThere) {
  WeakHeap heap;
  for (u64 i = 0; i <= 9; ++i) heap.memory.put(kRoot + i * 8, (heap.object(5) - i).value);
  EXPECT_EQ(heap.forms(), Forms());
  heap.free(4);
  EXPECT_EQ(heap.forms(), Forms());
  WeakHeap apart(96, 72);
  for (u64 i = 0; i <= 9; ++i) apart.memory.put(kRoot + i * 8, (apart.object(5) - i).value);
  Forms expected;
  for (u64 i = 1; i <= 8; ++i) expected.emplace_back(WeakForm::BeforeStart, kRoot + i * 8);
  EXPECT_EQ(apart.forms(), expected);
}

constexpr Addr kDescriptor = FakeHeap::kDescriptors.start + 64;  // of the slab's first page

void put_part(WeakHeap& heap, Addr at, Addr descriptor, std::pair<u32, u32> numbers) {
  heap.point(at, descriptor);
  heap.memory.put(at + 8, numbers.first);
  heap.memory.put(at + 12, numbers.second);
}

TEST(Weak, ADescriptorWithAPartOfTheObjectBehindItCounts_InEitherOrder_WithFlagBits) {
  WeakHeap heap;
  u32 offset = 5 * 96;
  put_part(heap, kRoot, kDescriptor, {offset, 96});
  put_part(heap, kRoot + 16, kDescriptor + 2, {8, offset + 88});
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::PageDescriptor, kRoot}, {WeakForm::PageDescriptor, kRoot + 16}}));
}

TEST(Weak, ADescriptorAlone_OfAnotherPage_OrWithWhatIsNotWithinTheObject_DoesNot) {
  WeakHeap heap;
  u32 offset = 5 * 96;
  heap.point(kRoot, kDescriptor);
  put_part(heap, kRoot + 16, kDescriptor - 64, {offset, 96});
  put_part(heap, kRoot + 32, kDescriptor + 8, {offset, 96});
  put_part(heap, kRoot + 48, kDescriptor, {offset, 97});
  put_part(heap, kRoot + 64, kDescriptor, {offset - 1, 8});
  put_part(heap, kRoot + 80, kDescriptor, {offset, 0});
  put_part(heap, kRoot + 96, kDescriptor, {0, kPage});
  heap.point(kRoot + kPage - 8, kDescriptor);  // nothing is behind it
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, TheDescriptorOfItsSlabsFirstPageCountsWithAnOffsetFromThere) {
  WeakHeap heap(512, 512);
  heap.aim_at(heap.first + 20);  // on the third page
  heap.reached.clear(heap.target);
  put_part(heap, kRoot, kDescriptor, {20 * 512, 512});
  put_part(heap, kRoot + 16, kDescriptor + 64, {20 * 512 - kPage, 512});
  put_part(heap, kRoot + 32, kDescriptor + 128, {20 * 512 - 2 * kPage, 512});
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::PageDescriptor, kRoot}, {WeakForm::PageDescriptor, kRoot + 32}}));
}

TEST(Weak, ThePhysicalAddressOfTheStartCounts_NoneInsideAndNoLowOne) {
  WeakHeap heap;
  u64 offset = heap.object(5) - kMap;
  heap.memory.put(kRoot, kPhysical + offset);
  heap.memory.put(kRoot + 8, kPhysical + offset + 8);
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::PhysicalAddress, kRoot}}));
  heap.memory.put(kRoot, kLowestPhysical - kPage + offset);
  EXPECT_EQ(heap.forms(kLowestPhysical - kPage), Forms({{WeakForm::PhysicalAddress, kRoot}}));
  heap.memory.put(kRoot, kLowestPhysical - 2 * kPage + offset);
  EXPECT_EQ(heap.forms(kLowestPhysical - 2 * kPage), Forms());
}

TEST(Weak, ARoundNumberIsNoPhysicalAddress) {
  for (u64 physical : {u64{40'000'000}, u64{40'000'064}}) {
    WeakHeap heap;
    u64 start = physical - (heap.object(5) - kMap);
    heap.memory.put(kRoot, physical);
    EXPECT_EQ(heap.forms(start).size(), physical % kRoundNumber == 0 ? 0U : 1U) << physical;
  }
}

TEST(Weak, ThePhysicalAddressOfAPageIsASizeOrALimitToo) {
  WeakHeap heap;
  heap.aim_at(heap.add_block(kMap + 8 * kPage, 4 * kPage, span_flag::kByPage));
  heap.memory.put(kRoot, kPhysical + 8 * kPage);
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, TheFrameNumberCountsForBlocksThatFillPages_NotForSmallOnesAndNotForLowFrames) {
  WeakHeap heap;
  heap.aim_at(heap.add_block(kMap + 8 * kPage, 4 * kPage, span_flag::kByPage));
  heap.memory.put(kRoot, kPhysical / kPage + 8);
  heap.memory.put(kRoot + 8, kPhysical / kPage + 9);
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::FrameNumber, kRoot}}));
  heap.memory.put(kRoot, kLowestFrameNumber - 1);
  EXPECT_EQ(heap.forms((kLowestFrameNumber - 9) * kPage), Forms());
  heap.aim_at(heap.add_slab(kMap + 16 * kPage, 8, 512, 512));
  heap.memory.put(kRoot, kPhysical / kPage + 16);
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, BitsAboveThoseOfAnAddressMayBeATag_ItsOwnAreNone) {
  WeakHeap heap;
  u64 low = heap.object(5).value & ((u64{1} << 48) - 1);
  heap.memory.put(kRoot, low);
  heap.memory.put(kRoot + 8, low | u64{0x12} << 48);
  heap.memory.put(kRoot + 16, low | u64{0xffff} << 48);
  heap.memory.put(kRoot + 24, (low + 8) | u64{0x12} << 48);
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::Tagged, kRoot}, {WeakForm::Tagged, kRoot + 8}}));
  heap.memory.put(kRoot + 8, heap.object(5).value ^ u64{1} << 63);
  EXPECT_EQ(heap.forms(kPhysical, 57), Forms({{WeakForm::Tagged, kRoot + 8}})) << "more bits are the address's";
}

TEST(Weak, APointerCountsAtEveryByte) {
  WeakHeap heap;
  Forms expected;
  for (u64 i = 1; i < 8; ++i) {
    Addr at = kRoot + 64 * i + i;
    heap.memory.put(at, heap.object(5).value);
    expected.emplace_back(WeakForm::Unaligned, at);
  }
  EXPECT_EQ(heap.forms(), expected);
  for (u64 i = 1; i < 8; ++i) heap.memory.put(kRoot + 64 * i + i, heap.object(5).value + 8);
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, ReachedBlocksAreSearched_OthersAndTheBlockItselfAreNot) {
  WeakHeap heap(96, 72);
  heap.point(heap.object(5) + 8, heap.object(5) + 72);
  heap.point(heap.object(7) + 8, heap.object(5) + 72);
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::OnePastEnd, heap.object(7) + 8}}));
  heap.reached.clear(heap.first + 7);
  EXPECT_EQ(heap.forms(), Forms());
  heap.reached.set(heap.first + 5);
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, WhatOwnsNothingIsNoWeakReferenceEither) {
  WeakHeap heap(96, 72);
  heap.point(kRoot, heap.object(5) + 72);
  EXPECT_EQ(heap.forms().size(), 1U);
  heap.snapshot.ignored_words.push_back(kRoot);
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, CookiesThatAreSmallNumbersHaveNone) {
  WeakHeap heap;
  heap.aim_at(heap.add_slab(FakeHeap::kCookies.start, 1, 16, 16, span_flag::kReplicated));
  heap.memory.put(kRoot, (FakeHeap::kCookies.start + 16).value);
  heap.memory.put(kRoot + 8, (FakeHeap::kCookies.start - 1).value);
  EXPECT_EQ(heap.forms(), Forms());
}

TEST(Weak, RootWordsAreSearched) {
  WeakHeap heap;
  heap.snapshot.root_words.push_back(kPhysical + (heap.object(5) - kMap));
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::PhysicalAddress, Addr{}}}));
}

TEST(Weak, StoppingIsAnError) {
  WeakHeap heap;
  WeakSearch search{.space = {FakeHeap::kLinear, kPhysical, 48},
                    .targets = &heap.snapshot.live,
                    .sources = &heap.snapshot.live,
                    .keep_going = [] { return false; }};
  auto done = find_weak_references(heap.snapshot, heap.index(), heap.memory, search, [](const WeakReference&) {});
  ASSERT_FALSE(bool(done));
  EXPECT_EQ(done.error().code(), ErrorCode::Interrupted);
}

TEST(Weak, ReadsThatFailAreNoMoreThanMissing) {
  WeakHeap heap(96, 72);
  heap.point(kRoot, heap.object(5) + 72);
  for (u64 n = 1; n < 8; ++n) {
    heap.memory.fail_read(n);
    EXPECT_LE(heap.forms().size(), 1U);
  }
}

TEST(Weak, ThePhysicalAddressOfAPageCountsOnlyWherePagesAreLookedFor) {
  WeakHeap heap;
  heap.aim_at(heap.add_block(kMap + 8 * kPage, kPage, span_flag::kByPage));
  heap.memory.put(kRoot, kPhysical + 8 * kPage);
  EXPECT_EQ(heap.forms(), Forms());
  heap.are_pages = true;
  EXPECT_EQ(heap.forms(), Forms({{WeakForm::PhysicalAddress, kRoot}}));
  heap.memory.put(kRoot, u64{8 * kPage});
  EXPECT_EQ(heap.forms(0), Forms()) << "too low: sizes are like that";
}

}  // namespace
}  // namespace orphan
