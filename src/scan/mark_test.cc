// SPDX-License-Identifier: Apache-2.0
#include "scan/mark.h"

#include <gtest/gtest.h>

#include "scan/fake_heap.h"

namespace orphan {
namespace {

constexpr Addr kLinear = FakeHeap::kLinear.start;
constexpr Addr kVmalloc = FakeHeap::kVmalloc.start;
constexpr Addr kCookies = FakeHeap::kCookies.start;
constexpr Addr kRoots = FakeHeap::kRoots.start;
constexpr u64 kPage = 4096;

TEST(Mark, ABlockIsReachedFromARoot_NotWithoutOne) {
  FakeHeap heap;
  u64 held = heap.add_block(kLinear, 64);
  u64 lost = heap.add_block(kLinear + kPage, 64);
  heap.add_root_to(kLinear);
  MarkResult result = heap.mark();
  EXPECT_TRUE(result.reached.test(held));
  EXPECT_FALSE(result.reached.test(lost));
}

TEST(Mark, PointerToTheLastByteKeepsABlockAlive_OnePastItDoesNot) {
  for (u64 offset : {63U, 64U}) {
    FakeHeap heap;
    u64 slot = heap.add_block(kLinear, 64);
    heap.add_root_to(kLinear + offset);
    EXPECT_EQ(heap.is_reached(slot), offset == 63) << offset;
  }
}

TEST(Mark, ChainsAreFollowedForwardsAndBackwards_WithinASlabAndBetweenSpans) {
  FakeHeap heap;
  u64 first = heap.add_slab(kLinear, 8, 64, 64);
  u64 other = heap.add_block(kLinear + 8 * kPage, kPage);
  u64 area = heap.add_block(kVmalloc, 2 * kPage);
  auto at = [](u64 slot) { return kLinear + slot * 64; };
  heap.add_root_to(at(5));
  heap.point(at(5) + 8, at(2) + 16);                      // backwards
  heap.point(at(2) + 56, kLinear + 8 * kPage);            // to a later span
  heap.point(kLinear + 9 * kPage - 8, kVmalloc + kPage);  // to another window
  heap.point(kVmalloc + 2 * kPage - 8, at(7));            // and back
  heap.point(at(1), at(3));                               // from a block that nobody reaches
  MarkResult result = heap.mark();
  std::vector<u64> reached;
  result.reached.for_each(0, result.reached.size(), [&](u64 slot) { reached.push_back(slot); });
  EXPECT_EQ(reached, (std::vector<u64>{first + 2, first + 5, first + 7, other, area}));
}

TEST(Mark, ACycleThatNothingRefersToStaysUnreached_WithARootItIsReachedWhole) {
  for (bool has_root : {false, true}) {
    FakeHeap heap;
    u64 first = heap.add_slab(kLinear, 3, 64, 64);
    for (u64 i = 0; i < 3; ++i) heap.point(kLinear + i * 64, kLinear + (i + 1) % 3 * 64);
    if (has_root) heap.add_root_to(kLinear + 64);
    EXPECT_EQ(heap.mark().reached.count(first, 3), has_root ? 3U : 0U);
  }
}

TEST(Mark, ABlockThatRefersOnlyToItselfStaysUnreached) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64);
  heap.point(kLinear + 16, kLinear + 16);
  EXPECT_FALSE(heap.is_reached(slot));
}

TEST(Mark, AFreeSlotIsNeverReached_NorWhatItPointsTo) {
  for (bool is_live : {false, true}) {
    FakeHeap heap;
    u64 first = heap.add_slab(kLinear, 2, 64, 64);
    heap.add_root_to(kLinear);
    heap.point(kLinear, kLinear + 64);
    if (!is_live) heap.snapshot.live.clear(first);
    EXPECT_EQ(heap.mark().reached.count(first, 2), is_live ? 2U : 0U);
  }
}

TEST(Mark, ThePaddingOfASlotIsNotScanned_TheObjectIs) {
  for (u64 offset : {56U, 64U}) {
    FakeHeap heap;
    heap.add_slab(kLinear, 2, 96, 64);
    u64 target = heap.add_block(kLinear + kPage, 64);
    heap.add_root_to(kLinear);
    heap.point(kLinear + offset, kLinear + kPage);
    EXPECT_EQ(heap.is_reached(target), offset == 56) << offset;
  }
}

TEST(Mark, OfAnObjectOnlyWhatWasAskedForIsScanned_AllOfItWhereThatMakesNoSense) {
  struct Case {
    u32 requested_bytes;
    bool counts_at_40;
  };
  for (Case c : {Case{40, false}, Case{44, false}, Case{48, true}, Case{64, true}, Case{0, true}, Case{65, true}}) {
    // The last slot of a slab, a single block, few of many objects in a big slab.
    for (auto [slots, slot] : {std::pair(2U, 1U), std::pair(1U, 0U), std::pair(40U, 39U)}) {
      FakeHeap heap;
      heap.add_slab(kLinear, slots, 96, 64);
      heap.snapshot.shapes.back().requested_at = 80;
      Addr holder = kLinear + slot * 96, next = kLinear + 2 * kPage;
      u64 inside = heap.add_block(next, 64), behind = heap.add_block(next + kPage, 64);
      heap.memory.put(holder + 80, c.requested_bytes);
      heap.add_root_to(holder);
      heap.point(holder + 32, next);
      heap.point(holder + 40, next + kPage);
      MarkResult result = heap.mark();
      EXPECT_TRUE(result.reached.test(inside)) << c.requested_bytes << " " << slots;
      EXPECT_EQ(result.reached.test(behind), c.counts_at_40) << c.requested_bytes << " " << slots;
    }
  }
}

TEST(Mark, ABlockWithNoScanIsReached_WhatItPointsToIsNot) {
  for (u8 flags : {u8{0}, span_flag::kNoScan}) {
    FakeHeap heap;
    u64 holder = heap.add_block(kLinear, 64, flags);
    u64 target = heap.add_block(kLinear + kPage, 64);
    heap.add_root_to(kLinear);
    heap.point(kLinear, kLinear + kPage);
    MarkResult result = heap.mark();
    EXPECT_TRUE(result.reached.test(holder));
    EXPECT_EQ(result.reached.test(target), flags == 0);
  }
}

TEST(Mark, AllLiveSlotsOfARootSpanAreReachedAndScanned_FreeOnesAreNot) {
  for (u8 flags : {u8{0}, span_flag::kRoot}) {
    FakeHeap heap;
    u64 first = heap.add_slab(kLinear, 3, 64, 64, flags);
    u64 held = heap.add_block(kLinear + kPage, 64);
    u64 lost = heap.add_block(kLinear + 2 * kPage, 64);
    heap.snapshot.live.clear(first + 1);
    heap.point(kLinear + 128, kLinear + kPage);
    heap.point(kLinear + 64, kLinear + 2 * kPage);
    MarkResult result = heap.mark();
    bool is_root = flags != 0;
    EXPECT_EQ(result.reached.test(first), is_root);
    EXPECT_FALSE(result.reached.test(first + 1));
    EXPECT_EQ(result.reached.test(held), is_root);
    EXPECT_FALSE(result.reached.test(lost));
  }
}

TEST(Mark, AnUntrackedSpanIsReachedAndNotScanned) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64, span_flag::kRoot | span_flag::kNoScan);
  u64 target = heap.add_block(kLinear + kPage, 64);
  heap.point(kLinear, kLinear + kPage);
  MarkResult result = heap.mark();
  EXPECT_TRUE(result.reached.test(slot));
  EXPECT_FALSE(result.reached.test(target));
}

TEST(Mark, AReplicatedBlockIsScannedOnEveryCopy_NotAtItsCookie) {
  constexpr std::array<u64, 3> kCopies{0x4000'0000, 0x5000'0000, u64{0} - 0x8'0000};
  for (u64 copy = 0; copy < kCopies.size(); ++copy) {
    FakeHeap heap;
    u64 area = heap.add_block(kCookies + 0x100, 64, span_flag::kReplicated);
    u64 target = heap.add_block(kLinear, 64);
    for (u64 offset : kCopies) {
      heap.snapshot.copy_offsets.push_back(offset);
      heap.memory.map({kCookies + 0x100 + offset, 64});
    }
    heap.add_root_to(kCookies + 0x100);
    EXPECT_FALSE(heap.is_reached(target));
    heap.point(kCookies + 0x100 + kCopies[copy] + 56, kLinear);
    EXPECT_TRUE(heap.is_reached(target)) << "copy " << copy;
    EXPECT_TRUE(heap.is_reached(area));
  }
}

// Leaves out what its table says.
struct TableFilter : ContentFilter {
  std::vector<Extent> extents;
  Addr only;  // for the block there
  void non_owning(const Span&, Addr object, Bytes, std::pmr::vector<Extent>& skip) const override {
    if (object == only) skip.assign(extents.begin(), extents.end());
  }
};

TEST(Mark, WordsThatTheFilterNamesDoNotCount_TheOnesBetweenDo) {
  constexpr u64 kWords = 8;
  for (u64 word = 0; word < kWords; ++word) {
    FakeHeap heap;
    heap.add_slab(kLinear, 4, 64, 64, span_flag::kFiltered);
    u64 target = heap.add_block(kLinear + kPage, 64);
    TableFilter filter;
    filter.only = kLinear + 64;
    filter.extents = {{0, 8}, {24, 16}, {56, 8}};
    heap.snapshot.filter = &filter;
    heap.add_root_to(kLinear + 64);
    heap.add_root_to(kLinear + 128);
    heap.point(kLinear + 64 + word * 8, kLinear + kPage);
    bool is_skipped = word == 0 || word == 3 || word == 4 || word == 7;
    EXPECT_EQ(heap.is_reached(target), !is_skipped) << "word " << word;
    heap.point(kLinear + 128, kLinear + kPage);
    EXPECT_TRUE(heap.is_reached(target)) << "a neighbour that the filter leaves alone";
  }
}

TEST(Mark, ASingleBlockIsFilteredToo_AndAWholeOneMayBeLeftOut) {
  FakeHeap heap;
  heap.add_block(kLinear, kPage, span_flag::kFiltered);
  u64 target = heap.add_block(kLinear + kPage, 64);
  TableFilter filter;
  filter.only = kLinear;
  heap.snapshot.filter = &filter;
  heap.add_root_to(kLinear);
  heap.point(kLinear + kPage - 8, kLinear + kPage);
  EXPECT_TRUE(heap.is_reached(target));
  filter.extents = {{0, kPage}};
  EXPECT_FALSE(heap.is_reached(target));
}

// A handle (slot 0) whose owner keeps an area alive by it, as a vm_struct.
struct ForwardingHeap : FakeHeap {
  u64 handle = add_slab(kLinear.start, 4, 64, 64, span_flag::kForwards);
  u64 area = add_block(kVmalloc.start, kPage);
  u64 target = add_block(kLinear.start + kPage, 64);
  ForwardingHeap() {
    forward(handle, area);
    point(kVmalloc.start, kLinear.start + kPage);
  }
};

TEST(Mark, AReferenceToAHandleIsOneToWhatItStandsFor) {
  ForwardingHeap heap;
  EXPECT_FALSE(heap.is_reached(heap.area));
  heap.add_root_to(kLinear + 64);
  EXPECT_FALSE(heap.is_reached(heap.area)) << "another slot of the handle's slab";
  heap.add_root_to(kLinear + 8);
  EXPECT_TRUE(heap.is_reached(heap.area));
  EXPECT_TRUE(heap.is_reached(heap.target)) << "held by the area's contents";
}

TEST(Mark, AHandleThatIsARootBlockIsReachedAndNotPassedOn) {
  ForwardingHeap heap;
  u64 held = heap.add_block(kLinear + 2 * kPage, 64);
  heap.point(kLinear + 16, kLinear + 2 * kPage);
  heap.snapshot.root_blocks.push_back(heap.block(heap.handle));
  MarkResult result = heap.mark();
  EXPECT_TRUE(result.reached.test(heap.handle));
  EXPECT_TRUE(result.reached.test(held)) << "by the handle's contents";
  EXPECT_FALSE(result.reached.test(heap.area));
}

TEST(Mark, AReferenceToAHandleThatIsARootBlockAlreadyIsPassedOn) {
  ForwardingHeap heap;
  heap.snapshot.root_blocks.push_back(heap.block(heap.handle));
  heap.add_root_to(kLinear);
  EXPECT_TRUE(heap.is_reached(heap.area));
}

TEST(Mark, AHandleMayStandForSeveralBlocks) {
  ForwardingHeap heap;
  u64 second = heap.add_block(kVmalloc + 2 * kPage, kPage);
  heap.forward(heap.handle, second);
  heap.add_root_to(kLinear);
  MarkResult result = heap.mark();
  EXPECT_TRUE(result.reached.test(heap.area));
  EXPECT_TRUE(result.reached.test(second));
}

TEST(Mark, ForwardingFindsItsBlockBesideAnyNumberOfAliases) {
  for (u64 aliases : {1U, 2U, 5U, 64U, 500U}) {
    ForwardingHeap heap;
    for (u64 i = 0; i < aliases; ++i) {
      Addr target = i % 2 == 0 ? Addr{0} : kCookies;  // cookies may begin at 0
      heap.snapshot.add_alias(kVmalloc + (16 + 2 * i) * kPage, kPage, target);
    }
    heap.add_root_to(kLinear);
    MarkResult result = heap.mark();
    EXPECT_TRUE(result.reached.test(heap.area)) << aliases << " aliases";
    EXPECT_TRUE(result.reached.test(heap.target)) << aliases << " aliases";
  }
}

TEST(Mark, AWordFoundInPageDescriptorsKeepsABlockAlive) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64);
  EXPECT_FALSE(heap.is_reached(slot));
  heap.snapshot.root_words.push_back(kLinear.value + 63);
  MarkResult result = heap.mark();
  EXPECT_TRUE(result.reached.test(slot));
  EXPECT_EQ(result.root_count[static_cast<std::size_t>(RootKind::SingleWords)], 1U);
  EXPECT_EQ(result.root_bytes[static_cast<std::size_t>(RootKind::SingleWords)], 8U);
}

TEST(Mark, WordsAreTakenAtMultiplesOfEight_WhereverTheRootBegins) {
  struct Case {
    u64 start, size;
    bool has_word;  // the one at 16
  };
  for (const Case& c : {Case{16, 8, true}, Case{9, 15, true}, Case{15, 9, true}, Case{17, 7, false}, Case{16, 7, false},
                        Case{17, 0, false}, Case{0, 24, true}, Case{0, 23, false}, Case{23, 1, false}}) {
    FakeHeap heap;
    u64 slot = heap.add_block(kLinear, 64);
    heap.point(kRoots + 16, kLinear);
    heap.add_root({kRoots + c.start, c.size});
    EXPECT_EQ(heap.is_reached(slot), c.has_word) << c.start << " + " << c.size;
  }
}

TEST(Mark, APointerThatIsNotAlignedDoesNotCount) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64);
  heap.point(kRoots + 4, kLinear);
  heap.add_root({kRoots, 64});
  EXPECT_FALSE(heap.is_reached(slot));
}

TEST(Mark, RootsAreCountedByKind_AndWordsAsOftenAsLookedAt) {
  FakeHeap heap;
  heap.add_block(kLinear, 64);
  heap.add_root({kRoots, 4096}, RootKind::Image);
  heap.add_root({kRoots + 8192, 16}, RootKind::Stacks);
  heap.add_root({kRoots + 8200, 8}, RootKind::Stacks);
  heap.point(kRoots, kLinear);
  MarkResult result = heap.mark();
  EXPECT_EQ(result.root_bytes[static_cast<std::size_t>(RootKind::Image)], 4096U);
  EXPECT_EQ(result.root_bytes[static_cast<std::size_t>(RootKind::Stacks)], 24U);
  EXPECT_EQ(result.root_count[static_cast<std::size_t>(RootKind::Stacks)], 2U);
  EXPECT_EQ(result.words, 512U + 2 + 1 + 8);
}

TEST(Mark, ABlockReachedTwiceIsReadOnce) {
  FakeHeap heap;
  heap.add_block(kLinear, 64);
  for (int i = 0; i < 5; ++i) heap.add_root_to(kLinear);
  u64 before = heap.memory.reads();
  heap.mark();
  EXPECT_EQ(heap.memory.reads() - before, 5U + 1);
}

TEST(Mark, AllThatIsPendingInASlabIsReadInOnePiece) {
  FakeHeap heap;
  heap.add_slab(kLinear, 64, 64, 64);
  for (u64 slot = 0; slot < 64; ++slot) heap.point(kRoots + slot * 8, kLinear + slot * 64);
  heap.add_root({kRoots, 512});
  u64 before = heap.memory.reads();
  EXPECT_EQ(heap.mark().reached.count(), 64U);
  EXPECT_EQ(heap.memory.reads() - before, 2U);
}

TEST(Mark, TheLastWordOfABigBlockCounts_OfABigSlabToo) {
  constexpr u64 kBig = (1 << 20) + 24;
  FakeHeap heap;
  heap.add_block(kVmalloc, kBig);
  heap.add_slab(kLinear, 5, kBig, kBig - 8);
  u64 targets = heap.add_slab(kLinear + (8 << 20), 2, 64, 64);
  heap.add_root_to(kVmalloc);
  heap.add_root_to(kLinear + 3 * kBig);
  heap.point(kVmalloc + kBig - 8, kLinear + (8 << 20));
  heap.point(kLinear + 4 * kBig - 16, kLinear + (8 << 20) + 64);
  MarkResult result = heap.mark();
  EXPECT_TRUE(result.reached.test(targets));
  EXPECT_TRUE(result.reached.test(targets + 1));
}

// --- going on from blocks ---

TEST(MarkFrom, SeedsAndWhatTheyReferToAreAdded_WhatWasReachedStays) {
  FakeHeap heap;
  u64 first = heap.add_slab(kLinear, 6, 64, 64);
  auto at = [](u64 slot) { return kLinear + slot * 64; };
  heap.add_root_to(at(0));
  heap.point(at(2), at(3) + 8);
  heap.point(at(3), at(4));
  heap.point(at(4), at(2));
  MarkResult result = heap.mark();
  ASSERT_EQ(result.reached.count(), 1U);
  BitVector seeds;
  seeds.resize(6);
  seeds.set(first + 2);
  ASSERT_TRUE(mark_from(seeds, heap.snapshot, heap.index(), heap.memory, result));
  std::vector<u64> reached;
  result.reached.for_each(0, 6, [&](u64 slot) { reached.push_back(slot); });
  EXPECT_EQ(reached, (std::vector<u64>{0, 2, 3, 4}));
}

TEST(MarkFrom, WhatWasReachedBeforeIsNotReadAgain) {
  FakeHeap heap;
  heap.add_block(kLinear, 64);
  heap.add_block(kLinear + kPage, 64);
  heap.add_root_to(kLinear);
  heap.point(kLinear + kPage, kLinear);
  MarkResult result = heap.mark();
  BitVector seeds;
  seeds.resize(2);
  seeds.set(1);
  u64 before = heap.memory.reads();
  ASSERT_TRUE(mark_from(seeds, heap.snapshot, heap.index(), heap.memory, result));
  EXPECT_EQ(heap.memory.reads() - before, 1U);
}

TEST(MarkFrom, AHandleThatIsASeedIsNotPassedOn_AReferenceToItIs) {
  for (bool has_reference : {false, true}) {
    ForwardingHeap heap;
    u64 other = heap.add_block(kLinear + 3 * kPage, 64);
    if (has_reference) heap.point(kLinear + 3 * kPage, kLinear);
    MarkResult result = heap.mark();
    BitVector seeds;
    seeds.resize(heap.snapshot.live.size());
    seeds.set(heap.handle);
    seeds.set(other);
    ASSERT_TRUE(mark_from(seeds, heap.snapshot, heap.index(), heap.memory, result));
    EXPECT_EQ(result.reached.test(heap.area), has_reference);
  }
}

TEST(Mark, AnIgnoredWordHoldsNothing_TheSameWordElsewhereDoes) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64);
  heap.add_root_to(kLinear);
  heap.snapshot.ignored_words.push_back(kRoots);
  EXPECT_FALSE(heap.is_reached(slot));
  heap.add_root_to(kLinear);
  EXPECT_TRUE(heap.is_reached(slot));
}

TEST(Mark, APageThatHasNothingLeftToReachStillLeadsOnThroughAliases) {
  FakeHeap heap;
  u64 first = heap.add_block(kVmalloc, 64), second = heap.add_block(kVmalloc + 64, 64);
  u64 slab = heap.add_slab(kLinear, 2, 64, 64);
  heap.snapshot.add_alias(kLinear + kPage, kPage, kVmalloc);
  for (int i = 0; i < 3; ++i) heap.add_root_to(kLinear + kPage + 8);
  for (u64 slot : {0U, 0U, 1U, 1U}) heap.add_root_to(kLinear + slot * 64);
  EXPECT_TRUE(heap.is_reached(first));
  EXPECT_FALSE(heap.is_reached(second));
  EXPECT_TRUE(heap.is_reached(slab + 1));
  heap.add_root_to(kLinear + kPage + 64);
  EXPECT_TRUE(heap.is_reached(second));
}

TEST(Mark, SlotsThatEndInTheNextPageAreNotTakenForWhatIsThere) {
  // Objects of 32 bytes with 16 before and 16 behind them, as with red zones.
  FakeHeap heap;
  u64 first = heap.add_slab(kLinear + 16, 64, 64, 32), second = heap.add_slab(kLinear + kPage + 16, 64, 64, 32);
  for (u64 slot = 0; slot < 64; ++slot) heap.add_root_to(kLinear + 16 + slot * 64);
  heap.add_root_to(kLinear + kPage + 16 + 5 * 64);
  MarkResult result = heap.mark();
  EXPECT_EQ(result.reached.count(first, 64), 64U);
  EXPECT_EQ(result.reached.count(second, 64), 1U);
  EXPECT_TRUE(result.reached.test(second + 5));
}

TEST(Mark, WhereABlockWasReachedFirstIsNotedWhenAskedFor) {
  FakeHeap heap;
  u64 held = heap.add_slab(kLinear, 2, 64, 64);
  u64 lost = heap.add_block(kLinear + kPage, 64);
  heap.add_root_to(kLinear);
  heap.point(kLinear + 8, kLinear + 64);
  std::pmr::vector<Addr> from;
  ASSERT_TRUE(bool(mark(heap.snapshot, heap.index(), heap.memory, {.keep_going = {}, .reached_from = &from})));
  EXPECT_EQ(from[held], kRoots);
  EXPECT_EQ(from[held + 1], kLinear + 8);
  EXPECT_EQ(from[lost], Addr{});
}

TEST(Mark, ALongListIsFollowedInAnyOrderOfItsAddresses) {
  constexpr u64 kSlabs = 6000, kSlots = 64;  // more spans than are remembered by number
  FakeHeap heap;
  for (u64 i = 0; i < kSlabs / 2; ++i) heap.add_slab(kLinear + i * kPage, kSlots, 64, 64);
  for (u64 i = 0; i < kSlabs / 2; ++i) heap.add_slab(kVmalloc + i * kPage, kSlots, 64, 64);
  auto at = [&](u64 slab) { return slab < kSlabs / 2 ? kLinear + slab * kPage : kVmalloc + (slab - kSlabs / 2) * kPage; };
  // One list through the first objects, downwards; a fan from each end to everything else.
  heap.add_root_to(at(kSlabs - 1));
  for (u64 i = 1; i < kSlabs; ++i) heap.point(at(i), at(i - 1));
  for (u64 slab = 0; slab < kSlabs; ++slab) {
    for (u64 slot = 0; slot + 1 < kSlots; ++slot)
      heap.point(at(slab) + slot * 64 + 8, at((slab * 7 + 1) % kSlabs) + (slot + 1) * 64);
  }
  EXPECT_EQ(heap.mark().reached.count(), kSlabs * kSlots);
}

}  // namespace
}  // namespace orphan
