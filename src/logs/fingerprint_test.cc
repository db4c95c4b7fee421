// SPDX-License-Identifier: Apache-2.0
#include "logs/fingerprint.h"

#include <gtest/gtest.h>

#include "logs/frame_text.h"
#include "logs/test_reading.h"

namespace orphan::logs {
namespace {

Finding finding_of(u64 size_bytes, std::initializer_list<std::string_view> frames) {
  Finding finding;
  finding.leak.cache = "kmalloc-128";
  finding.leak.object_size_bytes = size_bytes;
  for (std::string_view frame : frames) finding.leak.stack.push_back(read_frame(frame, true).value());
  return finding;
}

u64 print_of(u64 size_bytes, std::initializer_list<std::string_view> frames) {
  return fingerprint(finding_of(size_bytes, frames));
}

const u64 kPrint = print_of(128, {"__kmalloc+0x1/0x2", "widget_probe+0x41/0x1df [widget]", "do_one_initcall+0x59/0x220"});

TEST(Fingerprint, IsTheSameAfterARebuild) {
  EXPECT_EQ(print_of(128, {"__kmalloc+0x7/0x9", "widget_probe+0x51/0x2df [widget]", "do_one_initcall+0x5/0x22"}), kPrint);
  EXPECT_EQ(print_of(100, {"__kmalloc+0x7/0x9", "widget_probe.isra.0+0x51/0x2df [widget]", "do_one_initcall+0x5/0x22"}), kPrint);
  EXPECT_EQ(print_of(128, {"__kmalloc_cache_noprof+0x7/0x9", "widget_probe+0x5/0x2 [widget]", "do_one_initcall+0x5/0x22"}),
            kPrint);
  EXPECT_EQ(print_of(128, {"widget_probe+0x51/0x2df [widget]", "do_one_initcall+0x5/0x22"}), kPrint);
}

TEST(Fingerprint, IsAnotherForAnotherBug) {
  EXPECT_NE(print_of(128, {"widget_probe+0x51/0x2df [gadget]", "do_one_initcall+0x5/0x22"}), kPrint);
  EXPECT_NE(print_of(128, {"widget_remove+0x51/0x2df [widget]", "do_one_initcall+0x5/0x22"}), kPrint);
  EXPECT_NE(print_of(128, {"widget_probe+0x51/0x2df [widget]"}), kPrint);
  EXPECT_NE(print_of(192, {"widget_probe+0x51/0x2df [widget]", "do_one_initcall+0x5/0x22"}), kPrint);
  Finding per_cpu = finding_of(128, {"widget_probe+0x51/0x2df [widget]", "do_one_initcall+0x5/0x22"});
  per_cpu.memory = Memory::PerCpu;
  EXPECT_NE(fingerprint(per_cpu), kPrint);
}

TEST(Fingerprint, OfAFrameWithoutASymbolThePlaceInItsPageCounts) {
  EXPECT_EQ(print_of(8, {"0xffffffffc01d2036"}), print_of(8, {"0xffffffffa0777036"}));
  EXPECT_NE(print_of(8, {"0xffffffffc01d2036"}), print_of(8, {"0xffffffffc01d2037"}));
}

TEST(Fingerprint, AStackOfAllocatorsOnlyCountsAsItIs) {
  EXPECT_NE(print_of(8, {"__kmalloc+0x1/0x2"}), print_of(8, {"vmalloc+0x1/0x2"}));
}

TEST(Fingerprint, WithoutAStackCacheAndSizeTellBlocksApart) {
  Finding random = finding_of(100, {}), other = finding_of(100, {}), larger = finding_of(104, {});
  random.leak.cache = "kmalloc-rnd-05-128";
  EXPECT_EQ(fingerprint(random), fingerprint(finding_of(100, {})));
  other.leak.cache = "dentry";
  EXPECT_NE(fingerprint(other), fingerprint(finding_of(100, {})));
  EXPECT_NE(fingerprint(larger), fingerprint(finding_of(100, {})));
}

TEST(Fingerprint, FromOneEraToTheNextALeakIsTheSame) {
  auto old = test::read_text(test::k6_1), now = test::read_text(test::k2026);
  EXPECT_EQ(fingerprint(old.found.at(0)), fingerprint(now.found.at(0)));
  EXPECT_NE(fingerprint(now.found.at(0)), fingerprint(now.found.at(1)));
}

TEST(Fingerprint, SizesOfOneClassAreThoseOfOneSlot) {
  EXPECT_EQ(size_class(0), 8u);
  EXPECT_EQ(size_class(64), 64u);
  EXPECT_EQ(size_class(65), 96u);
  EXPECT_EQ(size_class(96), 96u);
  EXPECT_EQ(size_class(97), 128u);
  EXPECT_EQ(size_class(129), 192u);
  EXPECT_EQ(size_class(193), 256u);
  EXPECT_EQ(size_class(5000), 8192u);
  EXPECT_EQ(size_class(~u64{0}), u64{1} << 62);
}

TEST(Fingerprint, TwoCallSitesInOneFunctionHaveTwoStacks) {
  EXPECT_NE(exact_stack(finding_of(8, {"f+0x1/0x9"}).leak.stack), exact_stack(finding_of(8, {"f+0x2/0x9"}).leak.stack));
}

}  // namespace
}  // namespace orphan::logs
