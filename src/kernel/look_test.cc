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

}  // namespace
}  // namespace orphan::kernel
