// SPDX-License-Identifier: Apache-2.0
#include "scan/references.h"

#include <gtest/gtest.h>

#include "scan/fake_heap.h"

namespace orphan {
namespace {

constexpr Addr kLinear = FakeHeap::kLinear.start;
constexpr Addr kVmalloc = FakeHeap::kVmalloc.start;
constexpr u64 kPage = 4096;

std::vector<Reference> references_to(const FakeHeap& heap, u64 slot, bool search_roots = true,
                                     const BitVector* sources = nullptr) {
  BitVector targets;
  targets.resize(heap.snapshot.live.size());
  targets.set(slot);
  std::vector<Reference> all;
  auto done = find_references(heap.snapshot, heap.index(), heap.memory,
                              {.targets = &targets,
                               .sources = sources != nullptr ? sources : &heap.snapshot.live,
                               .search_roots = search_roots,
                               .keep_going = {}},
                              [&](const Reference& reference) { all.push_back(reference); });
  EXPECT_TRUE(bool(done));
  return all;
}

std::vector<Addr> places(const std::vector<Reference>& references) {
  std::vector<Addr> result;
  for (const Reference& reference : references) result.push_back(reference.at);
  return result;
}

TEST(References, RootsAndBlocksThatPointAtABlockAreFound_WordsThatPointElsewhereAreNot) {
  FakeHeap heap;
  u64 target = heap.add_slab(kLinear, 8, 64, 64) + 3;
  heap.add_block(kVmalloc, kPage);
  heap.add_root_to(kLinear + 3 * 64 + 63);             // its last byte
  heap.add_root_to(kLinear + 4 * 64);                  // its neighbour
  heap.point(kLinear + 5 * 64 + 8, kLinear + 3 * 64);  // from the same slab
  heap.point(kVmalloc + 16, kLinear + 3 * 64 + 8);
  heap.point(kVmalloc + 24, kLinear + 2 * 64);
  auto found = references_to(heap, target);
  EXPECT_EQ(places(found), (std::vector<Addr>{FakeHeap::kRoots.start, kLinear + 5 * 64 + 8, kVmalloc + 16}));
  EXPECT_EQ(found[0].word, (kLinear + 3 * 64 + 63).value);
}

TEST(References, OnlyTheGivenSourcesAreSearched) {
  FakeHeap heap;
  u64 first = heap.add_slab(kLinear, 3, 64, 64);
  heap.add_root_to(kLinear);
  heap.point(kLinear + 64, kLinear);
  heap.point(kLinear + 128, kLinear);
  BitVector sources;
  sources.resize(heap.snapshot.live.size());
  sources.set(first + 2);
  EXPECT_EQ(places(references_to(heap, first, false, &sources)), (std::vector<Addr>{kLinear + 128}));
}

TEST(References, ABlockThatPointsAtItselfIsNoReferenceToIt) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64);
  heap.point(kLinear + 8, kLinear);
  EXPECT_TRUE(references_to(heap, slot).empty());
}

TEST(References, OnesToAHandleArePassedOn) {
  FakeHeap heap;
  u64 handle = heap.add_block(kLinear, 64, span_flag::kForwards);
  u64 area = heap.add_block(kVmalloc, kPage);
  heap.forward(handle, area);
  heap.add_root_to(kLinear);
  auto found = references_to(heap, area);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].is_forwarded);
  EXPECT_FALSE(references_to(heap, handle).at(0).is_forwarded);
}

TEST(References, RootWordsHaveThePlaceThatIsKnown) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64);
  heap.snapshot.root_words.push_back(kLinear.value);
  EXPECT_EQ(places(references_to(heap, slot)), (std::vector<Addr>{Addr{}}));
  heap.snapshot.root_word_places.push_back(Addr{0x1234});
  EXPECT_EQ(places(references_to(heap, slot)), (std::vector<Addr>{Addr{0x1234}}));
}

TEST(References, EveryCopyOfAPerCpuBlockIsSearched) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64);
  Addr cookie = FakeHeap::kCookies.start;
  heap.add_slab(cookie, 1, 16, 16, span_flag::kReplicated);
  for (u64 cpu : {0U, 1U}) {
    Addr copy = FakeHeap::kRoots.start + kPage * (cpu + 1);
    heap.snapshot.copy_offsets.push_back(copy - cookie);
    heap.point(copy + 8, kLinear);
  }
  EXPECT_EQ(references_to(heap, slot).size(), 2U);
}

TEST(References, StoppingIsAnError) {
  FakeHeap heap;
  u64 slot = heap.add_block(kLinear, 64);
  BitVector targets = heap.snapshot.live;
  targets.set(slot);
  auto done = find_references(
      heap.snapshot, heap.index(), heap.memory,
      {.targets = &targets, .sources = &heap.snapshot.live, .search_roots = true, .keep_going = [] { return false; }},
      [](const Reference&) {});
  ASSERT_FALSE(bool(done));
  EXPECT_EQ(done.error().code(), ErrorCode::Interrupted);
}

}  // namespace
}  // namespace orphan
