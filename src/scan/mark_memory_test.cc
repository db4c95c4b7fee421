// SPDX-License-Identifier: Apache-2.0
// What marking does to memory: where its own comes from, and what it says about the target's that cannot be read.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "scan/fake_heap.h"

namespace {
// A forked child of a process with threads must not call malloc: operator new is replaced to see that marking does not.
// The counter has to be global for that.
thread_local std::size_t g_allocations = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++g_allocations;
  if (void* at = std::malloc(size)) return at;
  std::abort();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++g_allocations;
  auto step = static_cast<std::size_t>(alignment);
  if (void* at = std::aligned_alloc(step, (size + step - 1) / step * step)) return at;
  std::abort();
}
// Not inlined: g++ 12 would take the one half of a pair that it sees for a mismatch.
[[gnu::noinline]] void operator delete(void* at) noexcept {
  std::free(at);
}
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}
void operator delete(void* at, std::align_val_t) noexcept {
  std::free(at);
}
void operator delete(void* at, std::size_t, std::align_val_t) noexcept {
  std::free(at);
}

namespace orphan {
namespace {

constexpr Addr kLinear = FakeHeap::kLinear.start;
constexpr Addr kRoots = FakeHeap::kRoots.start;
constexpr u64 kPage = 4096;

struct NoFilter : ContentFilter {
  void non_owning(const Span&, Addr, Bytes, std::pmr::vector<Extent>& skip) const override { skip.push_back({0, 8}); }
};

// Something of everything.
struct FullHeap : FakeHeap {
  static constexpr u64 kCopy = 0x4000'0000;
  NoFilter no_filter;

  explicit FullHeap(std::pmr::memory_resource* resource = std::pmr::get_default_resource()) : FakeHeap(resource) {
    Addr linear = kLinear.start, cookie = kCookies.start;
    u64 slab = add_slab(linear, 32, 128, 96, span_flag::kFiltered | span_flag::kForwards);
    add_slab(linear + kPage, 32, 128, 128, span_flag::kRoot);
    u64 area = add_block(kVmalloc.start, 8 * kPage);
    add_block(cookie, 64, span_flag::kReplicated);
    snapshot.copy_offsets.push_back(kCopy);
    memory.map({cookie + kCopy, 64});
    snapshot.add_alias(kVmalloc.start + 32 * kPage, 64, cookie);
    forward(slab + 3, area);
    snapshot.root_blocks.push_back(block(slab + 1));
    snapshot.root_words.push_back(linear.value + 5 * 128);
    snapshot.filter = &no_filter;
    add_root({kRoots.start, 3 * kPage});
    point(kRoots.start + kPage, linear + 3 * 128);
    point(kVmalloc.start + 7 * kPage, kVmalloc.start + 32 * kPage);
    point(cookie + kCopy, linear + 7 * 128);
    point(linear + 5 * 128 + 8, linear + 6 * 128);
  }
};

class CountingResource : public std::pmr::memory_resource {
 public:
  u64 bytes = 0;

 private:
  void* do_allocate(std::size_t size, std::size_t alignment) override {
    bytes += size;
    return pool_.allocate(size, alignment);
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::vector<std::byte> room_ = std::vector<std::byte>(16 << 20);
  std::pmr::monotonic_buffer_resource pool_{room_.data(), room_.size(), std::pmr::null_memory_resource()};
};

TEST(MarkMemory, IndexAndMarkTakeAllTheirMemoryFromTheResource_NothingFromTheHeap) {
  CountingResource resource;
  FullHeap heap(&resource);
  u64 before = resource.bytes;
  std::size_t allocations = g_allocations;
  BlockIndex index = heap.index();
  auto result = mark(heap.snapshot, index, heap.memory, {.resource = &resource, .keep_going = {}});
  EXPECT_EQ(g_allocations, allocations);
  EXPECT_GT(resource.bytes, before);
  ASSERT_TRUE(result);
  EXPECT_GT(result->reached.count(), 32U);
}

TEST(MarkMemory, TheCounterOfAllocationsWorks) {
  std::size_t allocations = g_allocations;
  std::vector<u64> words(100);
  EXPECT_EQ(g_allocations, allocations + 1);
}

TEST(MarkMemory, WhenTheNthReadFailsItIsCountedAsUnread_ForEveryN) {
  FullHeap heap;
  BlockIndex index = heap.index();
  u64 before = heap.memory.reads();
  auto whole = mark(heap.snapshot, index, heap.memory, {});
  ASSERT_TRUE(whole);
  ASSERT_EQ(whole->unread_bytes, 0U);
  u64 reads = heap.memory.reads() - before;
  ASSERT_GT(reads, 4U);
  for (u64 n = 1; n <= reads; ++n) {
    heap.memory.fail_read(n);
    auto result = mark(heap.snapshot, index, heap.memory, {});
    ASSERT_TRUE(result) << n;
    // A big piece is tried again by the page: then nothing is lost.
    bool is_lost = result->unread_bytes != 0;
    EXPECT_TRUE(is_lost || result->reached.count() == whole->reached.count()) << n;
    EXPECT_LE(result->reached.count(), whole->reached.count()) << n;
  }
}

TEST(MarkMemory, AnErrorOtherThanNotMappedEndsTheMarking) {
  struct Broken : Memory {
    explicit Broken(const Memory& from) : inner(from) {}
    Result<void> read(Addr at, std::span<std::byte> out) const override {
      if (++reads == fail_at) return Error(ErrorCode::Io, "disk on fire");
      return inner.read(at, out);
    }
    const Memory& inner;
    mutable u64 reads = 0;
    u64 fail_at = 0;
  };
  FullHeap heap;
  BlockIndex index = heap.index();
  Broken memory(heap.memory);
  ASSERT_TRUE(mark(heap.snapshot, index, memory, {}));
  for (u64 n = 1, reads = memory.reads; n <= reads; ++n) {
    memory.reads = 0;
    memory.fail_at = n;
    auto result = mark(heap.snapshot, index, memory, {});
    ASSERT_FALSE(result) << n;
    EXPECT_EQ(result.error().text(), "disk on fire");
  }
}

TEST(MarkMemory, OfARootWithAMissingPageTheOtherPagesAreScanned) {
  FakeHeap heap;
  Addr root = kRoots + FakeHeap::kRoots.size_bytes;
  heap.memory.map({root, 4 * kPage});
  heap.memory.map({root + 5 * kPage, 3 * kPage});
  u64 first = heap.add_slab(kLinear, 2, 64, 64);
  heap.point(root + 4 * kPage - 8, kLinear);
  heap.point(root + 5 * kPage, kLinear + 64);
  heap.add_root({root, 8 * kPage});
  MarkResult result = heap.mark();
  EXPECT_EQ(result.reached.count(first, 2), 2U);
  EXPECT_EQ(result.unread_bytes, kPage);
}

TEST(MarkMemory, ABlockOrSlabThatIsGoneIsCountedAsUnread) {
  FakeHeap heap;
  u32 shape = heap.snapshot.add_shape(64, 64, 0);
  for (u32 slots : {1U, 64U}) {
    Addr start = kLinear + slots * kPage;
    heap.snapshot.add_span(start, slots, shape, 0);
    for (u64 i = 0; i < slots; ++i) heap.add_root_to(start + i * 64);
  }
  heap.snapshot.live.set_range(0, 65);
  EXPECT_EQ(heap.mark().unread_bytes, 64U + kPage);
}

TEST(MarkMemory, OfALargeSlabOnlyTheFewBlocksThatAreWantedAreRead) {
  struct CountingMemory : FakeMemory {
    Result<void> read(Addr at, std::span<std::byte> out) const override {
      bytes += out.size();
      return FakeMemory::read(at, out);
    }
    mutable u64 bytes = 0;
  };
  for (u64 wanted : {1U, 64U}) {
    FakeHeap heap;
    heap.add_slab(kLinear, 64, 128, 128);
    CountingMemory memory;
    memory.map({kLinear, 64 * u64{128}});
    memory.map(FakeHeap::kRoots);
    for (u64 i = 0; i < wanted; ++i) {
      heap.add_root_to(kLinear + i * 128);
      memory.put(kRoots + i * 8, (kLinear + i * 128).value);
    }
    ASSERT_TRUE(bool(mark(heap.snapshot, heap.index(), memory, {})));
    EXPECT_EQ(memory.bytes, wanted * 8 + (wanted == 1 ? 128 : 64 * 128)) << wanted;
  }
}

TEST(MarkMemory, OfAReplicatedBlockAMissingCopyIsCounted_TheOthersAreScanned) {
  FullHeap heap;
  heap.snapshot.copy_offsets.insert(heap.snapshot.copy_offsets.begin(), 0x7000'0000);
  auto result = mark(heap.snapshot, heap.index(), heap.memory, {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->unread_bytes, 64U);
  EXPECT_TRUE(result->reached.test(7));
}

TEST(MarkMemory, StopsWhenItIsTold_AndSaysSo) {
  FullHeap heap;
  BlockIndex index = heap.index();
  u64 asked = 0;
  auto whole = mark(heap.snapshot, index, heap.memory, {.keep_going = [&] { return ++asked != 0; }});
  ASSERT_TRUE(whole);
  EXPECT_FALSE(whole->stopped);
  ASSERT_GT(asked, 1U);
  for (u64 n = 1; n <= asked; ++n) {
    u64 left = n;
    auto result = mark(heap.snapshot, index, heap.memory, {.keep_going = [&] { return --left != 0; }});
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->stopped) << n;
  }
}

}  // namespace
}  // namespace orphan
