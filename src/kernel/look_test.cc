// SPDX-License-Identifier: Apache-2.0
// A look at a whole kernel, and what it makes of pages that belong to no allocator.
#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

class LookTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Versions, LookTest, testing::ValuesIn(kVersions), version_name);

TEST_P(LookTest, AKernelWithoutLeaksHasNone) {
  FakeScan scan = kernel_.scan();
  std::vector<u64> leaked;
  for (const Span& span : scan.look->snapshot.spans) {
    if (span.has(span_flag::kAlias)) continue;
    scan.look->snapshot.live.for_each(span.first_slot, span.slots, [&](u64 slot) {
      if (!scan.marked.reached.test(slot)) leaked.push_back(scan.look->snapshot.slot_address(span, slot).value);
    });
  }
  EXPECT_EQ(leaked, std::vector<u64>{});
  EXPECT_EQ(scan.marked.unread_bytes, 0U);
}

TEST_P(LookTest, AnObjectWithoutAPointerToItIsLeaked_WithOneItIsHeld) {
  Addr object = kernel_.kmalloc(64);
  EXPECT_EQ(kernel_.verdict(object), Verdict::Leaked);
  kernel_.add_root_to(object);
  EXPECT_EQ(kernel_.verdict(object), Verdict::Held);
}

// --- the image ---

TEST_P(LookTest, DataOfTheImageIsARoot_CodeAndConstantsAreNot) {
  constexpr u64 kPages = FakeKernel::kImagePages;
  for (u64 page = 0; page < kPages; ++page) {
    bool is_code = page < 4, is_constant = page < 8 || (page >= 10 && page < 12), is_stack = page >= kPages - 4;
    if (is_stack) continue;
    Addr target = kernel_.kmalloc(64), at = FakeKernel::kText + page * kPageBytes + kPageBytes - 8;
    kernel_.point(at, target);
    EXPECT_EQ(kernel_.verdict(target), is_code || is_constant ? Verdict::Leaked : Verdict::Held) << "page " << page;
    kernel_.put_word(at, 0);
  }
}

TEST_P(LookTest, WhereThePartOfConstantsThatInitWritesIsNotKnownAllOfThemCount) {
  kernel_.globals.ro_after_init.reset();
  Addr target = kernel_.kmalloc(64);
  kernel_.point(FakeKernel::kText + 5 * kPageBytes, target);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held);
}

// --- pages ---

TEST_P(LookTest, LaterPagesOfABlockAreRoots_FreePagesAreNot) {
  u64 frame = kernel_.add_plain_pages(8);
  Addr target = kernel_.kmalloc(64);
  auto set_count = [&](u64 page, u64 count) { kernel_.put(kernel_.descriptor(frame + page), "page", "_refcount", count); };
  kernel_.point(kernel_.page(frame + 3) + 16, target);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held) << "a page of its own";
  for (u64 i = 1; i < 4; ++i) set_count(i, 0);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held) << "of the block of four";
  set_count(0, 0);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Leaked) << "nobody has the first page";
  set_count(1, 1);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Leaked) << "no block of three begins there";
}

TEST_P(LookTest, PagesOnACpusListOfFreeOnesBelongToNoBlock) {
  u64 frame = kernel_.add_plain_pages(2);
  Addr target = kernel_.kmalloc(64);
  kernel_.put(kernel_.descriptor(frame + 1), "page", "_refcount", 0);
  kernel_.point(kernel_.page(frame + 1) + 16, target);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held);
  Addr node = kernel_.add_global(kernel_.types().size("pglist_data"));
  Addr cookie = kernel_.add_percpu(kernel_.types().size("per_cpu_pages"));
  kernel_.globals.only_node = node;
  Addr zone = kernel_.member(node, "pglist_data", "node_zones");
  kernel_.point(kernel_.member(zone, "zone", "per_cpu_pageset"), cookie);
  Addr lists = cookie + kernel_.cpu_offset(0);
  kernel_.put(lists, "per_cpu_pages", "count", 1);
  std::array<Addr, 1> nodes{kernel_.member(kernel_.descriptor(frame + 1), "page", "lru")};
  kernel_.link(kernel_.member(lists, "per_cpu_pages", "lists"), nodes);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Leaked);
}

TEST_P(LookTest, BootMemoryIsARoot) {
  Addr target = kernel_.kmalloc(64);
  Addr boot = kernel_.globals.percpu.chunk_lists;  // memory of before the page allocator
  Addr lists{kernel_.word(boot)};
  kernel_.point(lists + 2 * 16 + 8, target);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held);
}

// --- the whole ---

TEST_P(LookTest, ChainsThroughAllKindsOfMemoryAreFollowed) {
  Addr object = kernel_.kmalloc(128), last = kernel_.kmalloc(64);
  FakeArea area = kernel_.add_area(2);
  Addr block = kernel_.page(kernel_.add_large_kmalloc(1)), percpu = kernel_.add_percpu(32);
  kernel_.point(object + 8, area.start + 8);
  kernel_.point(area.start + kPageBytes, kernel_.descriptor(kernel_.frame(block)));
  kernel_.point(block + kPageBytes + 64, percpu);
  kernel_.point(percpu + kernel_.cpu_offset(1) + 24, last + 63);
  const Addr chain[] = {object, area.start, block, percpu, last};
  FakeScan without = kernel_.scan();
  for (Addr at : chain) EXPECT_EQ(without.verdict(at), Verdict::Leaked) << std::hex << at.value;
  kernel_.add_root_to(object);
  FakeScan with = kernel_.scan();
  for (Addr at : chain) EXPECT_EQ(with.verdict(at), Verdict::Held) << std::hex << at.value;
}

TEST_P(LookTest, ACycleOfLeakedObjectsIsLeaked) {
  Addr a = kernel_.kmalloc(64), b = kernel_.kmalloc(256);
  kernel_.point(a, b + 16);
  kernel_.point(b + 128, a);
  kernel_.point(a + 8, a + 8);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.verdict(a), Verdict::Leaked);
  EXPECT_EQ(scan.verdict(b), Verdict::Leaked);
}

TEST_P(LookTest, LooksAtAKernelThatDoesNotChangeAreAllTheSame) {
  Addr object = kernel_.kmalloc(64);
  FakeScan first = kernel_.scan(), second = kernel_.scan();
  EXPECT_EQ(first.look->snapshot.spans.size(), second.look->snapshot.spans.size());
  EXPECT_EQ(first.look->snapshot.live.count(), second.look->snapshot.live.count());
  EXPECT_EQ(first.marked.words, second.marked.words);
  EXPECT_EQ(second.verdict(object), Verdict::Leaked);
}

TEST_P(LookTest, RamThatIsNotMappedIsAGap) {
  EXPECT_EQ(kernel_.scan().look->gaps.unmapped_linear_bytes, 0U);
  kernel_.unmap_page(kernel_.page(8 * FakeKernel::kMiB / kPageBytes));  // a large page
  EXPECT_EQ(kernel_.scan().look->gaps.unmapped_linear_bytes, 2 * FakeKernel::kMiB);
}

TEST_P(LookTest, StopsWhenItIsTold_WheneverItAsks) {
  u64 asked = 0;
  ASSERT_TRUE(kernel_.try_scan({.keep_going = [&] { return ++asked != 0; }, .progress = {}}));
  ASSERT_GT(asked, 4U);
  for (u64 n = 1; n <= asked; ++n) {
    u64 left = n;
    auto result = kernel_.try_scan({.keep_going = [&] { return --left != 0; }, .progress = {}});
    if (result)
      EXPECT_TRUE(result->marked.stopped) << n;
    else
      EXPECT_EQ(result.error().code(), ErrorCode::Interrupted) << n;
  }
}

TEST_P(LookTest, SaysWhatItDoes) {
  std::vector<std::string> steps;
  ASSERT_TRUE(kernel_.try_scan({.keep_going = {}, .progress = [&](std::string_view step) { steps.emplace_back(step); }}));
  EXPECT_GE(steps.size(), 3U);
}

}  // namespace
}  // namespace orphan::kernel
