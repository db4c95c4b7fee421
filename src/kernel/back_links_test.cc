// SPDX-License-Identifier: Apache-2.0
#include "kernel/back_links.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr u64 kStackBytes = FakeKernel::kStackPages * kPageBytes;

class BackLinksTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  Kernel view_ = kernel_.kernel();
  Addr block_ = kernel_.kmalloc(64), other_ = kernel_.kmalloc(64);

  // Two nodes that point at each other, as in a list.
  void link(Addr node, Addr neighbour) {
    kernel_.point(node, neighbour);
    kernel_.point(neighbour, node);
  }
  // Whether the block is seen to be in use, `meanwhile` being done after the scan.
  template <typename F>
  bool is_linked(F&& meanwhile) {
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(scan.verdict(block_), Verdict::Leaked);
    meanwhile();
    BackLinks links(view_, *scan.look, scan.marked.reached, {kernel_.cpu_offset(0), kernel_.cpu_offset(1)});
    links.watch(block_, 64);
    kernel_.memory().forget_tables();
    links.look();
    return links.is_linked(block_);
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, BackLinksTest, testing::ValuesIn(kVersions), version_name);

TEST_P(BackLinksTest, ANodeOnTheStackOfATaskThatCameMeanwhileHoldsItsNeighbour) {
  EXPECT_TRUE(is_linked([&] {
    Addr task = kernel_.add_task(99);
    link(block_ + 16, kernel_.stack_of(task) + kStackBytes - 512);
  }));
}

TEST_P(BackLinksTest, InFramesThatAreDeadItHoldsNothing_NorOnAStackThatNobodyHas) {
  EXPECT_FALSE(is_linked([&] {
    Addr task = kernel_.add_task(99);
    link(block_ + 16, kernel_.stack_of(task) + 512);
  }));
  FakeArea stack = kernel_.add_area(FakeKernel::kStackPages, FakeKernel::kStackCaller);
  EXPECT_FALSE(is_linked([&] { link(block_ + 16, stack.start + kStackBytes - 512); }));
}

TEST_P(BackLinksTest, ANodeInABlockThatWasReachedHoldsIt_InOneThatWasNotItDoesNot) {
  EXPECT_FALSE(is_linked([&] { link(block_ + 16, other_ + 8); })) << "both may be leaked";
  kernel_.put_word(other_ + 8, 0);
  kernel_.add_root_to(other_);
  EXPECT_TRUE(is_linked([&] { link(block_ + 16, other_ + 8); }));
}

TEST_P(BackLinksTest, OfATreeTheNodeAboveKeepsItsColourInTheAddress_AndPointsFromItsSecondOrThirdWord) {
  kernel_.add_root_to(other_);
  for (u64 word : {8U, 16U}) {
    EXPECT_TRUE(is_linked([&] {
      kernel_.put_word(block_ + 16, (other_ + 8).value | 1);
      kernel_.point(other_ + 8 + word, block_ + 16);
    })) << word;
    kernel_.put_word(other_ + 8 + word, 0);
  }
}

TEST_P(BackLinksTest, WhoDoesNotPointBackHoldsNothing) {
  kernel_.add_root_to(other_);
  EXPECT_FALSE(is_linked([&] { kernel_.point(block_ + 16, other_ + 8); }));
  EXPECT_FALSE(is_linked([&] { link(block_ + 16, block_ + 32); }));
}

}  // namespace
}  // namespace orphan::kernel
