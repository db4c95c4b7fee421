// SPDX-License-Identifier: Apache-2.0
// What page_owner of the made-up kernel noted about pages.
#include "kernel/page_notes.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"
#include "kernel/origins.h"

namespace orphan::kernel {
namespace {

constexpr u64 kOffset = 16;  // of page_owner's part of a record
constexpr u32 kAllocated = 1 << 1;

class PageNotesTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  Addr key_, operations_, size_, table_, root_, records_;
  u64 record_bytes_ = kOffset + kernel_.types().size("page_owner");

  PageNotesTest() {
    key_ = kernel_.add_global(kernel_.types().size("static_key"));
    operations_ = kernel_.add_global(kernel_.types().size("page_ext_operations"));
    size_ = kernel_.add_global(8);
    table_ = kernel_.add_global(8);
    kernel_.globals.page_owner = {key_, operations_, size_, table_};
    kernel_.put(key_, "static_key", "enabled", 1);
    kernel_.put(operations_, "page_ext_operations", "offset", kOffset);
    kernel_.put_word(size_, record_bytes_);
    // Section 0 of root 0 has all of the machine's pages.
    Addr roots = kernel_.page(kernel_.add_plain_pages());
    kernel_.point(table_, roots);
    root_ = kernel_.page(kernel_.add_plain_pages());
    kernel_.point(roots, root_);
    records_ = kernel_.page(kernel_.add_plain_pages(64)) - kFirst * record_bytes_;
    kernel_.put(root_, "mem_section", "page_ext", records_);
  }
  static constexpr u64 kFirst = 512;  // the first frame that has a record here

  Addr record(u64 frame) const { return records_ + frame * record_bytes_; }
  void note(u64 frame, u32 handle, u32 pid, u64 time_ns) {
    kernel_.put(record(frame), "page_ext", "flags", kAllocated);
    Addr owner = record(frame) + kOffset;
    kernel_.put(owner, "page_owner", "handle", handle);
    kernel_.put(owner, "page_owner", "pid", pid);
    kernel_.put(owner, "page_owner", "ts_nsec", time_ns);
    kernel_.put_word(kernel_.member(owner, "page_owner", "comm"), 0x7469'7572'66);  // "fruit"
  }
  std::optional<PageNote> of(u64 frame) {
    return PageNotes(kernel_.memory(), kernel_.layouts().origins.page_owner, kernel_.globals.page_owner).of(frame);
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, PageNotesTest, testing::ValuesIn(kVersions), version_name);

TEST_P(PageNotesTest, APageInUseHasItsNote_AFreeOneHasNone) {
  u64 frame = kernel_.add_plain_pages();
  EXPECT_FALSE(of(frame));
  note(frame, 0x1234, 77, 5'000'000'000);
  auto found = of(frame);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->handle, 0x1234U);
  EXPECT_EQ(found->pid, 77U);
  EXPECT_EQ(found->comm, "fruit");
  EXPECT_EQ(found->time_ns, 5'000'000'000U);
  kernel_.put(record(frame), "page_ext", "flags", 1);  // was allocated once
  EXPECT_FALSE(of(frame));
}

TEST_P(PageNotesTest, WithoutPageOwnerThereAreNone) {
  u64 frame = kernel_.add_plain_pages();
  note(frame, 1, 2, 3);
  ASSERT_TRUE(of(frame));
  kernel_.put(key_, "static_key", "enabled", 0);
  EXPECT_FALSE(of(frame)) << "not switched on";
  kernel_.put(key_, "static_key", "enabled", 1);
  const PageOwnerSymbols all = kernel_.globals.page_owner;
  for (auto symbol : {&PageOwnerSymbols::enabled, &PageOwnerSymbols::operations, &PageOwnerSymbols::record_bytes,
                      &PageOwnerSymbols::sections}) {
    kernel_.globals.page_owner = all;
    (kernel_.globals.page_owner.*symbol).reset();
    EXPECT_FALSE(of(frame));
  }
  kernel_.globals.page_owner = all;
  EXPECT_TRUE(of(frame));
  EXPECT_FALSE(PageNotes(kernel_.memory(), std::nullopt, all).of(frame));
}

TEST_P(PageNotesTest, WhatIsDamagedGivesNothing) {
  u64 frame = kernel_.add_plain_pages();
  note(frame, 1, 2, 3);
  struct Case {
    Addr at;
    u64 bad;
  };
  Addr section = kernel_.member(root_, "mem_section", "page_ext"), roots{kernel_.word(table_)};
  for (Case c : {Case{section, 0},
                 {section, records_.value | 1},
                 {section, 0x1000},
                 {roots, 0},
                 {roots, 0x1000},
                 {table_, 0},
                 {size_, 8},
                 {size_, ~u64{0}},
                 {kernel_.member(operations_, "page_ext_operations", "offset"), ~u64{7}}}) {
    u64 good = kernel_.word(c.at);
    ASSERT_TRUE(of(frame));
    kernel_.put_word(c.at, c.bad);
    EXPECT_FALSE(of(frame)) << std::hex << c.at.value << " " << c.bad;
    kernel_.put_word(c.at, good);
  }
  EXPECT_FALSE(of(u64{1} << 40));
}

TEST_P(PageNotesTest, AMissingMemberSwitchesItOff) {
  for (const char* missing : {"page_owner", "page_owner.handle", "page_owner.ts_nsec", "page_ext.flags", "mem_section.page_ext",
                              "page_ext_operations.offset", "static_key.enabled", "page_ext_flags.PAGE_EXT_OWNER_ALLOCATED"}) {
    FakeTypes types = FakeTypes::of(GetParam());
    ASSERT_TRUE(OriginLayouts::resolve(types.load()).page_owner);
    types.remove(missing);
    EXPECT_FALSE(OriginLayouts::resolve(types.load()).page_owner) << missing;
  }
  FakeTypes types = FakeTypes::of(GetParam());
  types.remove("page_owner.comm");
  auto layout = OriginLayouts::resolve(types.load()).page_owner;
  ASSERT_TRUE(layout);
  EXPECT_FALSE(layout->comm);
}

TEST_P(PageNotesTest, TheOriginOfPagesHasTaskAndTime) {
  constexpr u64 kTickNs = 4'000'000, kStart = (u64{1} << 32) - 300 * 250;
  kernel_.globals.jiffies = kernel_.add_global(8);
  kernel_.put_word(*kernel_.globals.jiffies, kStart + 5000);
  Addr source = kernel_.add_global(kernel_.types().size("clocksource"));
  kernel_.globals.jiffies_source = source;
  kernel_.put(source, "clocksource", "mult", kTickNs << 8);
  kernel_.put(source, "clocksource", "shift", 8);
  u64 frame = kernel_.add_plain_pages();
  note(frame, 0x1234, 77, 5'000'000'000);
  Kernel kernel = kernel_.kernel();
  Origins origins(kernel, {});
  Origin origin = origins.of_pages(kernel_.page(frame));
  EXPECT_EQ(origin.pid, 77U);
  EXPECT_EQ(origin.comm, "fruit");
  EXPECT_DOUBLE_EQ(origin.age_s.value_or(0), 15.0);
  EXPECT_FALSE(origins.of_pages(kernel_.page(kernel_.add_plain_pages())).pid);
}

}  // namespace
}  // namespace orphan::kernel
