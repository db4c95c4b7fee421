// SPDX-License-Identifier: Apache-2.0
// Pages of the page allocator as blocks: what keeps one, what does not, and that nothing else is judged differently for it.
#include "kernel/page_scan.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr u64 kPagePoolMagic = 0xdead'0000'0000'0040;

class PageScanTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  std::optional<PageScan> pages_;
  BitVector heap_reached_;  // of the last pass
  std::unique_ptr<Look> look_;

  PageScanTest() {
    kernel_.plain_pages = PlainPages::Blocks;
    kernel_.globals.image_end = FakeKernel::kText + FakeKernel::kImagePages * kPageBytes;
    free_the_rest();
    begin();
  }
  // The made-up kernel's free memory is in no free block, and would count as later pages of what is in front of it.
  void free_the_rest() {
    for (Range ram : kernel_.memory().space().ram) {
      for (u64 frame = kernel_.frame(ram.start); frame < kernel_.frame(ram.end()); ++frame) {
        auto value = [&](std::string_view path) { return kernel_.value(kernel_.descriptor(frame), "page", path); };
        bool is_unused = value("_refcount") == 0 && value("flags") == 0 && (value("compound_head") & 1) == 0;
        if (is_unused && value("page_type") == 0xffff'ffff) kernel_.set_type(frame, "PGTY_buddy", 0x80);
      }
    }
  }
  void begin() { pages_.emplace(kernel_.kernel(), kernel_.owners()); }

  // One pass, as a scan makes it. `in_doubt`: a heap block that is unreferenced and no leak yet.
  void pass(Addr in_doubt = {}) {
    FakeScan scan = kernel_.scan();
    VERIFY(bool(pages_->split(*scan.look, kernel_.memory(), scan.marked)));
    BitVector doubts;
    doubts.resize(scan.look->snapshot.live.size());
    if (in_doubt) doubts.set(scan.look->index->find(in_doubt.value)->slot);
    VERIFY(bool(pages_->add_pass(*scan.look, kernel_.memory(), std::move(doubts))));
    heap_reached_ = std::move(scan.marked.reached);
    look_ = std::move(scan.look);
  }
  // Start and pages of each leaked block.
  std::vector<std::pair<u64, u64>> leaked() {
    std::vector<std::pair<u64, u64>> blocks;
    pages_->confirmation().for_each([&](const Confirmation::Candidate& page) {
      blocks.emplace_back(kernel_.frame(page.address), page.size_bytes / kPageBytes);
    });
    return blocks;
  }
  std::vector<std::pair<u64, u64>> scan() {
    begin();
    pass();
    pass();
    return leaked();
  }
  bool is_leaked(u64 frame) {
    auto blocks = scan();
    return std::ranges::find(blocks, frame, &std::pair<u64, u64>::first) != blocks.end();
  }
  void put(u64 frame, std::string_view path, u64 value) { kernel_.put(kernel_.descriptor(frame), "page", path, value); }
  // In one block, without __GFP_COMP.
  u64 add_block(u64 pages) {
    u64 frame = kernel_.add_plain_pages(pages);
    for (u64 i = 1; i < pages; ++i) put(frame + i, "_refcount", 0);
    return frame;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, PageScanTest, testing::ValuesIn(kVersions), version_name);

TEST_P(PageScanTest, AKernelWithoutLeaksHasNone) {
  kernel_.add_task(7);
  kernel_.add_module("fruit");
  EXPECT_EQ(scan(), (std::vector<std::pair<u64, u64>>{}));
  EXPECT_EQ(pages_->unreferenced(), Tally{});
}

TEST_P(PageScanTest, APageThatNothingPointsAtIsLeaked_WithAWordIntoItOrItsDescriptorItIsHeld) {
  u64 frame = kernel_.add_plain_pages();
  ASSERT_TRUE(is_leaked(frame));
  EXPECT_EQ(pages_->unreferenced(), (Tally{1, kPageBytes}));
  Addr descriptor = kernel_.descriptor(frame);
  for (Addr to : {kernel_.page(frame), kernel_.page(frame) + 4088, descriptor, descriptor + kernel_.layouts().page.lru}) {
    Addr root = kernel_.add_root_to(to);
    EXPECT_FALSE(is_leaked(frame)) << std::hex << to.value;
    EXPECT_EQ(pages_->referenced(), (Tally{1, kPageBytes}));
    kernel_.put_word(root, 0);
  }
  EXPECT_TRUE(is_leaked(frame));
}

TEST_P(PageScanTest, ABlockOfSeveralPagesIsOne_HeldByAnyOfThem) {
  u64 frame = add_block(4);
  EXPECT_EQ(scan(), (std::vector<std::pair<u64, u64>>{{frame, 4}}));
  for (Addr to : {kernel_.page(frame + 3) + 8, kernel_.descriptor(frame + 2)}) {
    Addr root = kernel_.add_root_to(to);
    EXPECT_FALSE(is_leaked(frame));
    kernel_.put_word(root, 0);
  }
}

TEST_P(PageScanTest, PagesSideBySideAreBlocksOfTheirOwn) {
  u64 frame = kernel_.add_plain_pages(4);
  kernel_.add_root_to(kernel_.page(frame + 1));
  EXPECT_EQ(scan(), (std::vector<std::pair<u64, u64>>{{frame, 1}, {frame + 2, 1}, {frame + 3, 1}}));
}

TEST_P(PageScanTest, PagesBehindTheFirstOfATableOfTheImageBelongToIt_AsFarAsItsAlignmentGoes) {
  u64 frame = kernel_.add_plain_pages(16) + 4;  // aligned to four
  std::vector<std::pair<u64, u64>> all;
  for (u64 i = 0; i < 16; ++i) all.emplace_back(frame - 4 + i, 1);
  ASSERT_EQ(scan(), all);
  Addr object = kernel_.kmalloc(64), held = kernel_.kmalloc(64);
  kernel_.point(object, kernel_.page(frame));
  kernel_.add_root_to(object);
  kernel_.point(kernel_.page(frame + 2) + 8, kernel_.page(frame + 9));
  kernel_.point(kernel_.page(frame + 9) + 8, held);
  all.erase(all.begin() + 4);
  EXPECT_EQ(scan(), all) << "a pointer in an object says nothing about tables";
  Addr root = kernel_.add_root_to(kernel_.page(frame) + 8);
  EXPECT_EQ(scan(), all) << "a pointer into the page does not, either";
  kernel_.point(root, kernel_.page(frame));
  std::erase_if(all,
                [&](const auto& block) { return (block.first > frame && block.first < frame + 4) || block.first == frame + 9; });
  EXPECT_EQ(scan(), all) << "what the table refers to is held, too";
}

TEST_P(PageScanTest, ATableGoesOnBehindPagesThatAreReferredTo_AndEndsWhereNoPageIs) {
  u64 frame = kernel_.add_plain_pages(16);
  kernel_.add_root_to(kernel_.page(frame));
  kernel_.add_root_to(kernel_.descriptor(frame + 2));
  EXPECT_TRUE(scan().empty());
  kernel_.set_flag(frame + 13, "PG_lru");  // somebody else's
  EXPECT_EQ(scan(), (std::vector<std::pair<u64, u64>>{{frame + 14, 1}, {frame + 15, 1}}));
}

TEST_P(PageScanTest, AListOfPagesIsFollowedThroughTheirDescriptors) {
  u64 frame = kernel_.add_plain_pages(2);
  u32 lru = kernel_.layouts().page.lru;
  std::array<Addr, 2> nodes{kernel_.descriptor(frame) + lru, kernel_.descriptor(frame + 1) + lru};
  Addr head = kernel_.add_global(16);
  ASSERT_EQ(scan().size(), 2U);
  kernel_.link(head, nodes);
  EXPECT_TRUE(scan().empty());
  // What points to itself is on no list.
  for (Addr node : nodes) kernel_.link(node, {});
  kernel_.put_word(head, 0);
  kernel_.put_word(head + 8, 0);
  EXPECT_EQ(scan().size(), 2U);
}

TEST_P(PageScanTest, AMappedPageBelongsToWhoMappedIt_InTheImageNobodyDid) {
  FakeArea area = kernel_.add_area(1, FakeKernel::kText + 0x60, 4);  // VM_MAP
  u64 frame = area.frames[0];
  EXPECT_FALSE(is_leaked(frame));
  kernel_.unmap_page(area.start);
  kernel_.remove_area(area);
  EXPECT_TRUE(is_leaked(frame));
  kernel_.map_page(FakeKernel::kText + FakeKernel::kMiB, frame * kPageBytes);
  EXPECT_TRUE(is_leaked(frame)) << "what init gave back stays mapped there";
  kernel_.map_page(FakeKernel::kModules + 8 * kPageBytes, frame * kPageBytes);
  EXPECT_FALSE(is_leaked(frame));
}

TEST_P(PageScanTest, ThePageTablesOfAProcessAreHeld) {
  u64 top = add_block(2), upper = kernel_.add_plain_pages();
  kernel_.put_word(kernel_.page(top) + 8, upper * kPageBytes | 0x67);
  Addr task = kernel_.add_task(5), mm = kernel_.kmalloc(kernel_.types().size("mm_struct"));
  kernel_.put(task, "task_struct", "mm", mm);
  EXPECT_EQ(scan(), (std::vector<std::pair<u64, u64>>{{top, 2}, {upper, 1}}));
  kernel_.put(mm, "mm_struct", "pgd", kernel_.page(top));
  EXPECT_TRUE(scan().empty());
}

TEST_P(PageScanTest, ThePageTablesThatTheKernelListsAreHeld) {
  u64 top = kernel_.add_plain_pages(), upper = kernel_.add_plain_pages();
  kernel_.put_word(kernel_.page(top) + 8, upper * kPageBytes | 0x67);
  Addr head = kernel_.add_global(16);
  std::array<Addr, 1> nodes{kernel_.descriptor(top) + kernel_.layouts().page.lru};
  kernel_.link(head, nodes);
  EXPECT_EQ(scan(), (std::vector<std::pair<u64, u64>>{{upper, 1}})) << "the list itself refers to the top one";
  kernel_.globals.top_tables = head;
  EXPECT_TRUE(scan().empty());
}

TEST_P(PageScanTest, OtherBlocksAreJudgedAsIfPagesWereRoots) {
  u64 leaked_page = kernel_.add_plain_pages(), held_page = kernel_.add_plain_pages(), tail = add_block(2) + 1;
  kernel_.add_root_to(kernel_.descriptor(held_page));
  std::vector<Addr> blocks;
  for (u64 frame : {leaked_page, held_page, tail}) {
    blocks.push_back(kernel_.kmalloc(64));
    kernel_.point(kernel_.page(frame) + 128, blocks.back());
  }
  blocks.push_back(kernel_.kmalloc(64));  // nothing points at it
  Addr chain = kernel_.page(kernel_.add_compound(1));
  kernel_.point(blocks[0], chain);
  blocks.push_back(chain);
  pass();
  std::vector<bool> with, without;
  for (Addr block : blocks) with.push_back(heap_reached_.test(look_->index->find(block.value)->slot));
  kernel_.plain_pages = PlainPages::Roots;
  FakeScan roots = kernel_.scan();
  for (Addr block : blocks) without.push_back(roots.verdict(block) == Verdict::Held);
  EXPECT_EQ(with, without);
  EXPECT_EQ(with, (std::vector<bool>{true, true, true, false, true}));
  EXPECT_EQ(roots.verdict(kernel_.page(leaked_page)), Verdict::NoBlock);
}

TEST_P(PageScanTest, APageThatOnlyALeakedBlockOrPageRefersToIsLeaked) {
  u64 first = kernel_.add_plain_pages(), second = kernel_.add_plain_pages();
  Addr object = kernel_.kmalloc(64);
  kernel_.point(kernel_.page(first) + 8, object);
  kernel_.point(object + 8, kernel_.descriptor(second));
  EXPECT_EQ(scan(), (std::vector<std::pair<u64, u64>>{{first, 1}, {second, 1}}));
  kernel_.add_root_to(object);
  EXPECT_EQ(scan(), (std::vector<std::pair<u64, u64>>{{first, 1}}));
}

TEST_P(PageScanTest, WhatHangsBelowABlockInDoubtIsSpared) {
  u64 frame = kernel_.add_plain_pages();
  Addr object = kernel_.kmalloc(64);
  kernel_.point(object, kernel_.page(frame));
  pass();
  pass(object);
  EXPECT_TRUE(leaked().empty());
  begin();
  pass();
  pass();
  EXPECT_EQ(leaked().size(), 1U);
}

TEST_P(PageScanTest, WhatHangsBelowAPageThatIsNewIsSpared) {
  u64 old = kernel_.add_plain_pages();
  pass();
  u64 fresh = kernel_.add_plain_pages();
  kernel_.point(kernel_.page(fresh), kernel_.descriptor(old));
  pass();
  EXPECT_TRUE(leaked().empty());
  kernel_.point(kernel_.page(fresh), Addr{});
  begin();
  pass();
  pass();
  EXPECT_EQ(leaked().size(), 2U);
}

TEST_P(PageScanTest, APageHasToBeUnreferencedAndUnchangedInThreePassesWhereThereAreAsMany) {
  u64 always = kernel_.add_plain_pages();
  pass();
  u64 later = kernel_.add_plain_pages();
  pass();
  pass();
  EXPECT_EQ(leaked(), (std::vector<std::pair<u64, u64>>{{always, 1}}));
  pass();
  EXPECT_EQ(leaked(), (std::vector<std::pair<u64, u64>>{{always, 1}, {later, 1}}));
  kernel_.put_word(kernel_.page(always) + 8, 1);
  pass();
  EXPECT_EQ(leaked(), (std::vector<std::pair<u64, u64>>{{later, 1}}));
}

TEST_P(PageScanTest, WhatIsOnAListOrHasReferencesIsNoLaterPageOfTheBlockInFront) {
  u64 frame = add_block(2);
  auto size = [&] {
    pass();
    return look_->snapshot.size_bytes(look_->snapshot.spans[look_->index->find(kernel_.page(frame).value)->span]);
  };
  ASSERT_EQ(size(), 2 * kPageBytes);
  Addr descriptor = kernel_.descriptor(frame + 1), node = descriptor + kernel_.layouts().page.lru;
  for (Addr other : {kernel_.page(frame + 8), kernel_.descriptor(frame + 8) + kernel_.layouts().page.lru}) {
    kernel_.point(node, other);
    EXPECT_EQ(size(), kPageBytes);
  }
  for (u64 unlisted : {node.value, u64{0xdead'0000'0000'0100}, u64{0}}) {
    kernel_.put_word(node, unlisted);
    EXPECT_EQ(size(), 2 * kPageBytes) << std::hex << unlisted;
  }
  // It is handed out right after the memory map was read.
  kernel_.ram().watch({descriptor, 1}, [&](u64 read) {
    if (read == 2) put(frame + 1, "_refcount", 1);
  });
  EXPECT_EQ(size(), kPageBytes);
  kernel_.ram().unwatch();
}

TEST_P(PageScanTest, APageThatIsFreedOrUsedWhileItIsWatchedIsDropped_AnotherIsNot) {
  struct Case {
    std::string_view path;
    u64 value;
  };
  for (Case c : {Case{"_refcount", 0}, {"_refcount", 2}, {"mapping", 0x1000}, {"private", 5}, {"flags", 1}}) {
    u64 used = kernel_.add_plain_pages(), still = kernel_.add_plain_pages();
    PageRecheck recheck(kernel_.memory(), kernel_.layouts().page, {kernel_.page(still), kernel_.page(used)});
    recheck.look();
    EXPECT_FALSE(recheck.was_used(kernel_.page(used)));
    put(used, c.path, c.value);
    recheck.look();
    EXPECT_TRUE(recheck.was_used(kernel_.page(used))) << c.path;
    EXPECT_FALSE(recheck.was_used(kernel_.page(still)));
  }
}

TEST_P(PageScanTest, APageThatWasUsedForAMomentWasUsed) {
  u64 frame = kernel_.add_plain_pages();
  PageRecheck recheck(kernel_.memory(), kernel_.layouts().page, {kernel_.page(frame)});
  put(frame, "_refcount", 0);
  recheck.look();
  put(frame, "_refcount", 1);
  recheck.look();
  EXPECT_TRUE(recheck.was_used(kernel_.page(frame)));
}

TEST_P(PageScanTest, APageOfAPoolOrThatAProcessHasMappedIsSomebodys) {
  auto is_used = [&](u64 frame) {
    return PageRecheck(kernel_.memory(), kernel_.layouts().page, {kernel_.page(frame)}).was_used(kernel_.page(frame));
  };
  u64 frame = kernel_.add_plain_pages();
  EXPECT_FALSE(is_used(frame));
  kernel_.ram().put(kernel_.descriptor(frame) + kernel_.layouts().page.page_type, u32{0});  // one mapping
  EXPECT_TRUE(is_used(frame));
  if (!kernel_.layouts().page.page_pool_magic) return;
  u64 buffer = kernel_.add_plain_pages();
  kernel_.put_word(kernel_.descriptor(buffer) + *kernel_.layouts().page.page_pool_magic, kPagePoolMagic);
  EXPECT_TRUE(is_used(buffer));
}

TEST_P(PageScanTest, WhatAWeaklyReferencedBlockHoldsIsWeakToo_AlsoAPage) {
  u64 frame = kernel_.add_plain_pages();
  Addr object = kernel_.kmalloc(64);
  kernel_.point(object + 8, kernel_.descriptor(frame));
  scan();
  u64 slot = look_->index->find(kernel_.page(frame).value)->slot;
  ASSERT_TRUE(pages_->search_weakly(*look_, kernel_.memory(), {}));
  ASSERT_TRUE(pages_->find_weak(*look_, kernel_.memory(), BitVector()));
  EXPECT_FALSE(pages_->is_weak(slot));
  BitVector weak;
  weak.resize(look_->snapshot.live.size());
  weak.set(look_->index->find(object.value)->slot);
  ASSERT_TRUE(pages_->find_weak(*look_, kernel_.memory(), weak));
  EXPECT_TRUE(pages_->is_weak(slot));
}

TEST_P(PageScanTest, APageWithATaggedAddressSomewhereIsWeak) {
  u64 frame = kernel_.add_plain_pages();
  kernel_.put_word(kernel_.add_global(8), kernel_.page(frame).value & ~(u64{0xf} << 60));
  scan();
  ASSERT_TRUE(pages_->search_weakly(*look_, kernel_.memory(), {}));
  ASSERT_TRUE(pages_->find_weak(*look_, kernel_.memory(), BitVector()));
  EXPECT_TRUE(pages_->is_weak(look_->index->find(kernel_.page(frame).value)->slot));
}

}  // namespace
}  // namespace orphan::kernel
