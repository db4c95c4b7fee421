// SPDX-License-Identifier: Apache-2.0
#include "kernel/suppressions.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"
#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

constexpr std::size_t kEmptyDirectory = 0, kBase = 1;

// Headers of sysctl directories, in the image's data and as objects.
class SuppressionsTest : public testing::TestWithParam<FakeVersion> {
 protected:
  SuppressionsTest() {
    kernel_.globals.sysctl_table_root = kernel_.add_global(64);
    header_ = kernel_.kmalloc(kernel_.types().size("ctl_table_header"));
    table_ = kernel_.add_global(64);  // its first entry has no name: it is empty
  }
  bool is_new() const { return GetParam().is_typed; }
  void put(std::string_view member, Addr value) { kernel_.put(header_, "ctl_table_header", member, value); }
  void make_empty_directory() {
    put("ctl_table", table_);
    put("root", *kernel_.globals.sysctl_table_root);
    put("ctl_table_arg", table_);
  }
  std::optional<std::size_t> match() {
    std::vector<std::byte> contents(kernel_.types().size("ctl_table_header"));
    VERIFY(bool(kernel_.memory().read(header_, contents)));
    return match(contents);
  }
  std::optional<std::size_t> match(Bytes contents) {
    return Suppressor(kernel_.memory(), kernel_.layouts(), kernel_.globals, symbols_).match(contents);
  }

  FakeKernel kernel_{GetParam()};
  Symbols symbols_ = fake_symbols({{kFakeText + 0x1000, "some_table"}});
  Addr header_, table_;
};
INSTANTIATE_TEST_SUITE_P(Versions, SuppressionsTest, testing::ValuesIn(kVersions), version_name);

TEST_P(SuppressionsTest, TheHeaderOfAnEmptySysctlDirectoryIsSuppressed) {
  EXPECT_EQ(match(), std::nullopt);
  make_empty_directory();
  EXPECT_EQ(match(), kEmptyDirectory);
}

TEST_P(SuppressionsTest, ADirectoryWithEntriesIsNot) {
  make_empty_directory();
  if (is_new())
    kernel_.put(header_, "ctl_table_header", "ctl_table_size", 1);
  else
    kernel_.put_word(table_, table_.value);
  EXPECT_EQ(match(), std::nullopt);
}

TEST_P(SuppressionsTest, AHeaderOfAnotherTree_OrWithATableOnTheHeap_IsNot) {
  make_empty_directory();
  put("root", *kernel_.globals.sysctl_table_root + 8);
  EXPECT_EQ(match(), std::nullopt);
  make_empty_directory();
  put("ctl_table", kernel_.kmalloc(64));
  EXPECT_EQ(match(), std::nullopt);
}

TEST_P(SuppressionsTest, ABlockThatIsTooSmallOrUnreadableIsNot) {
  make_empty_directory();
  std::vector<std::byte> contents(kernel_.types().size("ctl_table_header"));
  ASSERT_TRUE(kernel_.memory().read(header_, contents));
  EXPECT_EQ(match(Bytes(contents).first(contents.size() - 8)), std::nullopt);
  EXPECT_EQ(match(Bytes()), std::nullopt);
}

TEST_P(SuppressionsTest, WithoutTheTreesRootNoDirectoryIsKnown) {
  make_empty_directory();
  kernel_.globals.sysctl_table_root.reset();
  EXPECT_EQ(match(), std::nullopt);
}

TEST_P(SuppressionsTest, ABaseDirectoryOfOldKernelsIsSuppressed_OnANewOneItIsNot) {
  put("ctl_table_arg", table_);
  EXPECT_EQ(match(), is_new() ? std::nullopt : std::optional(kBase));
}

TEST_P(SuppressionsTest, ABaseDirectoryHasNothingElseInIt) {
  if (is_new()) return;
  for (std::string_view member : {"root", "set", "parent", "ctl_table"}) {
    put("ctl_table_arg", table_);
    put(member, Addr{1});
    EXPECT_EQ(match(), std::nullopt) << member;
    put(member, Addr{0});
  }
  put("ctl_table_arg", kernel_.kmalloc(64));
  EXPECT_EQ(match(), std::nullopt) << "its table is not the image's";
}

TEST(Suppressions, EveryRuleHasANameAndAReason) {
  for (const SuppressionText& text : suppressions()) {
    EXPECT_FALSE(text.rule.empty());
    EXPECT_FALSE(text.reason.empty());
  }
}

}  // namespace
}  // namespace orphan::kernel
