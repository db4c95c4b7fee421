// SPDX-License-Identifier: Apache-2.0
#include "kernel/pointees.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"
#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

class PointeesTest : public testing::TestWithParam<FakeVersion> {
 protected:
  std::vector<Evidence> find(Addr block, u64 size_bytes = 64) {
    FakeScan scan = kernel_.scan();
    std::vector<std::byte> contents(size_bytes);
    VERIFY(bool(kernel_.memory().read(block, contents)));
    EvidenceGatherer gatherer(symbols_);
    auto state = [&](u64 slot) { return std::string_view(scan.marked.reached.test(slot) ? "" : "leaked too"); };
    Pointees({*scan.look, kernel_.owners(), kernel_.memory(), symbols_, state}).add(block, contents, gatherer);
    return gatherer.result(10);
  }
  FakeKernel kernel_{GetParam()};
  Symbols symbols_ = fake_symbols({{kFakeText + 0x40, "make_ring"}});
  Addr block_ = kernel_.kmalloc(64);
};
INSTANTIATE_TEST_SUITE_P(Versions, PointeesTest, testing::ValuesIn(kVersions), version_name);

TEST_P(PointeesTest, ALiveBlockThatIsPointedToIsNamed_AFreeOneIsNot) {
  Addr target = kernel_.kmalloc(128), gone = kernel_.kmalloc(128);
  kernel_.add_root_to(target);
  kernel_.free(gone);
  kernel_.point(block_ + 16, target + 8);
  kernel_.point(block_ + 24, gone);
  auto found = find(block_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, Evidence::Kind::Block);
  EXPECT_EQ(found[0].offset_bytes, 16U);
  EXPECT_EQ(found[0].text, "kmalloc-128+0x8");
}

TEST_P(PointeesTest, ABlockThatIsLeakedTooIsSaidToBeSo) {
  kernel_.point(block_ + 16, kernel_.kmalloc(128));
  auto found = find(block_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].text, "kmalloc-128+0x0 (leaked too)");
}

TEST_P(PointeesTest, AVmallocAreaIsNamedByWhoAllocatedIt) {
  FakeArea area = kernel_.add_area(2, FakeKernel::kText + 0x44);
  kernel_.add_root_to(area.start);
  kernel_.point(block_, area.start + 0x1000);
  auto found = find(block_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].text.starts_with("vmalloc of make_ring+0x4/")) << found[0].text;
  EXPECT_TRUE(found[0].text.ends_with("+0x1000")) << found[0].text;
}

TEST_P(PointeesTest, AnEmptyListHeadPointsToItselfTwice_OneWordAloneIsAPointer) {
  kernel_.point(block_ + 32, block_ + 32);
  auto found = find(block_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].text, "itself+0x20");
  kernel_.point(block_ + 40, block_ + 32);
  found = find(block_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, Evidence::Kind::List);
  EXPECT_EQ(found[0].text, "empty");
}

TEST_P(PointeesTest, ANodeOfAListIsOne_IfTheNextPointsBackToIt) {
  Addr next = kernel_.kmalloc(128);
  kernel_.add_root_to(next);
  std::array<Addr, 2> nodes{block_ + 8, next + 24};
  kernel_.link(kernel_.add_global(16), nodes);
  auto found = find(block_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, Evidence::Kind::List);
  EXPECT_EQ(found[0].offset_bytes, 8U);
  EXPECT_EQ(found[0].text, "of kmalloc-128+0x18");
  kernel_.put_word(next + 32, 0);
  found = find(block_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, Evidence::Kind::Block);
}

}  // namespace
}  // namespace orphan::kernel
