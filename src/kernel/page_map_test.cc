// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_map.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

class PageMapTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};

  PageMap read() {
    auto map = read_page_map(kernel_.memory(), kernel_.layouts().page, kernel_.layouts().slab, {});
    VERIFY(bool(map));
    return std::move(*map);
  }
  void put_page(u64 frame, std::string_view path, u64 value) { kernel_.put(kernel_.descriptor(frame), "page", path, value); }
  u64 count(const PageMap& map, PageClass kind) const { return map.pages[static_cast<std::size_t>(kind)]; }
};
INSTANTIATE_TEST_SUITE_P(Versions, PageMapTest, testing::ValuesIn(kVersions), version_name);

// Sixteen pages, aligned, of which the first is made into something.
struct ClassCase {
  const char* what;
  std::function<void(FakeKernel&, u64 frame)> make;
  PageClass expected;
  u64 pages;  // that become what is expected
};

std::vector<ClassCase> class_cases() {
  auto put = [](FakeKernel& k, u64 frame, std::string_view path, u64 value) { k.put(k.descriptor(frame), "page", path, value); };
  auto compound = [put](FakeKernel& k, u64 frame, u64 order) {
    k.set_flag(frame, "PG_head");
    put(k, frame + 1, "compound_head", k.tail_mark(frame, 1));
    if (k.version().is_typed)
      k.put_word(k.descriptor(frame) + k.types().member("folio", "_flags_1").offset_bytes, order);
    else
      put(k, frame + 1, "compound_order", order);
  };
  return {
      {"nothing", [](auto&, u64) {}, PageClass::Plain, 0},
      {"buddy", [=](auto& k, u64 f) { k.set_type(f, "PGTY_buddy", 0x80), put(k, f, "private", 3); }, PageClass::Free, 8},
      {"buddy with an absurd order", [=](auto& k, u64 f) { k.set_type(f, "PGTY_buddy", 0x80), put(k, f, "private", 77); },
       PageClass::Free, 1},
      {"no references", [=](auto& k, u64 f) { put(k, f, "_refcount", 0); }, PageClass::Free, 1},
      {"a tail", [=](auto& k, u64 f) { put(k, f, "compound_head", k.tail_mark(f - 1, 1)); }, PageClass::Tail, 1},
      {"reserved", [](auto& k, u64 f) { k.set_flag(f, "PG_reserved"); }, PageClass::Reserved, 1},
      {"on the LRU", [](auto& k, u64 f) { k.set_flag(f, "PG_lru"); }, PageClass::User, 1},
      {"mapped", [=](auto& k, u64 f) { put(k, f, "mapping", 0x1235); }, PageClass::User, 1},
      {"a huge page of user space", [=](auto& k, u64 f) { compound(k, f, 3), put(k, f, "mapping", 0x1235); }, PageClass::User, 8},
      {"a page table", [](auto& k, u64 f) { k.set_type(f, "PGTY_table", 0x200); }, PageClass::Typed, 1},
      {"offline", [](auto& k, u64 f) { k.set_type(f, "PGTY_offline", 0x100); }, PageClass::Typed, 1},
      {"compound", [=](auto& k, u64 f) { compound(k, f, 2); }, PageClass::Compound, 4},
      {"compound with an absurd order", [=](auto& k, u64 f) { compound(k, f, 99); }, PageClass::Compound, 1},
      {"a freed compound page", [=](auto& k, u64 f) { compound(k, f, 2), put(k, f, "_refcount", 0); }, PageClass::Free, 4},
  };
}

TEST_P(PageMapTest, EveryPageHasItsClass) {
  for (const ClassCase& c : class_cases()) {
    u64 frame = kernel_.add_plain_pages(16);
    PageMap before = read();
    ASSERT_TRUE(before.plain.test(frame));
    c.make(kernel_, frame);
    PageMap after = read();
    u64 more = count(after, c.expected) - count(before, c.expected);
    EXPECT_EQ(more, c.pages) << c.what;
    EXPECT_EQ(after.plain.test(frame), c.expected == PageClass::Plain) << c.what;
    EXPECT_EQ(after.reserved.test(frame), c.expected == PageClass::Reserved) << c.what;
    EXPECT_EQ(std::accumulate(after.pages.begin(), after.pages.end(), u64{0}), 2048U) << c.what << ": each page has one class";
  }
}

TEST_P(PageMapTest, WhatAFreeBlockCoversIsNotLookedAt) {
  u64 frame = kernel_.add_plain_pages(8);
  kernel_.set_type(frame, "PGTY_buddy", 0x80);
  put_page(frame, "private", 2);
  PageMap map = read();
  for (u64 i = 0; i < 8; ++i) EXPECT_EQ(map.plain.test(frame + i), i >= 4) << "stale descriptors inside of the block: " << i;
}

TEST_P(PageMapTest, ABlockMayReachBeyondAPieceOfDescriptors_NotBeyondTheEndOfMemory) {
  u64 last = 10 * FakeKernel::kMiB / kPageBytes - 1;
  PageMap before = read();
  kernel_.set_type(last, "PGTY_buddy", 0x80);
  put_page(last, "private", 10);
  u64 big = kernel_.add_free_block(9);  // 512 pages; a piece has 256
  PageMap after = read();
  EXPECT_EQ(count(after, PageClass::Free), count(before, PageClass::Free));
  EXPECT_FALSE(after.plain.test(big + 300));
}

TEST_P(PageMapTest, CompoundPagesTellTheirOrder_AlsoTheLastOfAPiece) {
  for (u64 frame : {u64{767}, u64{895}}) {  // 767: its first tail is described in the next piece
    kernel_.put(kernel_.descriptor(frame), "page", "_refcount", 1);
    put_page(frame, "compound_head", 0);
    kernel_.set_flag(frame, "PG_head");
    put_page(frame + 1, "compound_head", kernel_.tail_mark(frame, 1));
    if (GetParam().is_typed)
      kernel_.put_word(kernel_.descriptor(frame) + kernel_.types().member("folio", "_flags_1").offset_bytes, 1);
    else
      put_page(frame + 1, "compound_order", 1);
  }
  PageMap map = read();
  u64 found = 0;
  for (const CompoundPage& page : map.compounds) {
    if (page.frame != 767 && page.frame != 895) continue;
    EXPECT_EQ(page.order, 1) << page.frame;
    ++found;
  }
  EXPECT_EQ(found, 2U);
}

TEST_P(PageMapTest, HolesInMemoryAreNotRead) {
  u64 hole = 5 * FakeKernel::kMiB / kPageBytes;
  put_page(hole, "_refcount", 1);
  EXPECT_FALSE(read().plain.test(hole));
}

TEST_P(PageMapTest, DescriptorsThatCannotBeReadAreCounted_ForEveryFailingRead) {
  u64 start = kernel_.ram().reads();
  PageMap whole = read();
  u64 reads = kernel_.ram().reads() - start;
  ASSERT_EQ(whole.unread_descriptors, 0U);
  for (u64 n = 1; n <= reads; ++n) {
    kernel_.ram().fail_read(n);
    PageMap map = read();
    EXPECT_EQ(map.unread_descriptors, 256U) << n;
    EXPECT_EQ(std::accumulate(map.pages.begin(), map.pages.end(), map.unread_descriptors), 2048U) << n;
  }
}

TEST_P(PageMapTest, StopsWhenItIsTold) {
  auto map = read_page_map(kernel_.memory(), kernel_.layouts().page, kernel_.layouts().slab, [] { return false; });
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().code(), ErrorCode::Interrupted);
}

TEST_P(PageMapTest, ASlabsDescriptorIsDecoded) {
  u32 cache = kernel_.add_cache({.name = "fruit", .object_bytes = 1000, .order = 1});
  Addr object = kernel_.allocate(cache);
  if (GetParam().has_cpu_slab) kernel_.make_cpu_slab(object, 0);
  FakeSlab& slab = kernel_.slab_of(object);
  PageMap map = read();
  auto found = std::ranges::find(map.slabs, slab.frame, &SlabPage::frame);
  ASSERT_NE(found, map.slabs.end());
  EXPECT_EQ(found->cache, kernel_.cache(cache).address);
  EXPECT_EQ(found->order, 1);
  EXPECT_EQ(found->objects, 8U);
  EXPECT_EQ(found->inuse, GetParam().has_cpu_slab ? 8U : 1U) << "what is left belongs to the CPU";
  EXPECT_EQ(found->frozen, GetParam().has_cpu_slab);
  EXPECT_EQ(found->freelist == Addr{0}, GetParam().has_cpu_slab);
}

TEST_P(PageMapTest, OnlyASlabIsDecodedAsOne) {
  const Layouts& layouts = kernel_.layouts();
  Addr object = kernel_.kmalloc(64);
  std::vector<std::byte> bytes(layouts.page.size_bytes);
  ASSERT_TRUE(kernel_.memory().read(kernel_.slab_descriptor(object), bytes));
  EXPECT_TRUE(decode_slab(bytes, layouts.page, layouts.slab).has_value());
  EXPECT_FALSE(decode_slab(std::span(bytes).first(bytes.size() - 1), layouts.page, layouts.slab).has_value());
  ASSERT_TRUE(kernel_.memory().read(kernel_.descriptor(kernel_.add_plain_pages()), bytes));
  EXPECT_FALSE(decode_slab(bytes, layouts.page, layouts.slab).has_value());
}

// --- which pages' contents keep something alive ---

TEST_P(PageMapTest, APointerInAPageOfTheKernelsOwnHolds_InOtherPagesItDoesNot) {
  for (const ClassCase& c : class_cases()) {
    u64 frame = kernel_.add_plain_pages(16);
    Addr target = kernel_.kmalloc(64);
    kernel_.point(kernel_.page(frame) + kPageBytes - 8, target);
    ASSERT_EQ(kernel_.verdict(target), Verdict::Held) << c.what;
    c.make(kernel_, frame);
    bool is_root = c.expected == PageClass::Plain || c.expected == PageClass::Reserved;
    EXPECT_EQ(kernel_.verdict(target), is_root ? Verdict::Held : Verdict::Leaked) << c.what;
  }
}

TEST_P(PageMapTest, APointerInTheDescriptorOfAPageInUseHolds_OfAFreeOneItDoesNot) {
  u64 user = kernel_.add_user_page(), plain = kernel_.add_plain_pages(), free = kernel_.add_plain_pages();
  put_page(free, "_refcount", 0);
  u64 unused = 0;
  for (std::string_view path : {"private", "mapping", "lru", "index", GetParam().has_slab ? "memcg_data" : "mem_cgroup"}) {
    for (u64 frame : {user, plain, free}) {
      Addr target = kernel_.kmalloc(64);
      ASSERT_EQ(kernel_.verdict(target), Verdict::Leaked);
      u64 before = kernel_.value(kernel_.descriptor(frame), "page", path);
      put_page(frame, path, target.value + 2);  // not bit 0: it would be another kind of page
      EXPECT_EQ(kernel_.verdict(target), frame == free ? Verdict::Leaked : Verdict::Held) << path;
      put_page(frame, path, before);
      unused += frame == free ? 1 : 0;
    }
  }
  EXPECT_EQ(unused, 5U);
}

TEST_P(PageMapTest, TheSecondWordOfTheListNodeHoldsToo) {
  u64 page = kernel_.add_plain_pages();
  Addr target = kernel_.kmalloc(64);
  kernel_.put_word(kernel_.member(kernel_.descriptor(page), "page", "lru") + 8, target.value);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held);
}

TEST_P(PageMapTest, AStalePointerOfADescriptorToItsOwnPageDoesNotHold_FromAnotherPageItDoes) {
  u64 block = kernel_.add_large_kmalloc(1);
  put_page(block, "private", kernel_.page(block).value + kPageBytes + 8);  // a freelist of its earlier life
  EXPECT_EQ(kernel_.verdict(kernel_.page(block)), Verdict::Leaked);
  u64 other = kernel_.add_plain_pages();
  put_page(other, "private", kernel_.page(block).value + kPageBytes + 8);
  EXPECT_EQ(kernel_.verdict(kernel_.page(block)), Verdict::Held);
}

// --- large kmalloc ---

TEST_P(PageMapTest, ALargeBlockIsLeakedWhenNothingRefersToIt) {
  Addr block = kernel_.page(kernel_.add_large_kmalloc(2));
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.verdict(block), Verdict::Leaked);
  EXPECT_EQ(scan.verdict(block + 4 * kPageBytes - 1), Verdict::Leaked);
  EXPECT_EQ(scan.verdict(block + 4 * kPageBytes), Verdict::NoBlock);
  EXPECT_EQ(kernel_.owners()[scan.owner(block)].kind, BlockKind::LargeKmalloc);
}

TEST_P(PageMapTest, ALargeBlockIsHeldByItsAddressOrByADescriptorOfOneOfItsPages) {
  for (u64 page = 0; page < 4; ++page) {
    u64 by_address = kernel_.add_large_kmalloc(2), by_descriptor = kernel_.add_large_kmalloc(2);
    kernel_.add_root_to(kernel_.page(by_address + page) + 8);
    kernel_.add_root_to(kernel_.descriptor(by_descriptor + page));
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(scan.verdict(kernel_.page(by_address)), Verdict::Held) << page;
    EXPECT_EQ(scan.verdict(kernel_.page(by_descriptor)), Verdict::Held) << page;
  }
}

TEST_P(PageMapTest, TheContentsOfALargeBlockCountWhenItIsHeld) {
  Addr block = kernel_.page(kernel_.add_large_kmalloc(2)), target = kernel_.kmalloc(64);
  kernel_.point(block + 4 * kPageBytes - 8, target);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Leaked);
  kernel_.add_root_to(block);
  EXPECT_EQ(kernel_.verdict(target), Verdict::Held);
}

TEST_P(PageMapTest, ACompoundPageOfTheKernelIsABlockToo) {
  Addr block = kernel_.page(kernel_.add_compound(1));
  EXPECT_EQ(kernel_.verdict(block), Verdict::Leaked);
}

}  // namespace
}  // namespace orphan::kernel
