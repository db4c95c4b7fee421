// SPDX-License-Identifier: Apache-2.0
#include "kernel/user_suppressions.h"

#include <gtest/gtest.h>

#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

constexpr i64 kToday = 20'000;

struct Block {
  Leak group;
  std::array<u64, 8> words{};

  Bytes contents() const { return std::as_bytes(std::span(words)); }
};

Block block() {
  Block result;
  result.group.cache = "kmalloc-64";
  result.group.stack.push_back({.address = Addr{1}, .symbol = "x_probe"});
  result.words[1] = kFakeText + 0x1000;
  std::memcpy(&result.words[4], "leak me", 8);
  return result;
}

Symbols symbols() {
  return fake_symbols({{kFakeText + 0x1000, "x_ops"}});
}

u64 taken(const SuppressionRule& rule, u64 blocks = 1) {
  Symbols table = symbols();
  UserSuppressions rules(std::span(&rule, 1), kToday, table);
  Block leaked = block();
  for (u64 i = 0; i < blocks; ++i) rules.take(leaked.group, 64, leaked.contents());
  return rules.result().at(0).total.count;
}

TEST(UserSuppressions, ABlockIsTakenByWhatItHoldsAndWhereItCameFrom_OthersAreNot) {
  EXPECT_EQ(taken({.name = "a", .symbol = "x_ops"}), 1U);
  EXPECT_EQ(taken({.name = "a", .symbol = "y_ops"}), 0U);
  EXPECT_EQ(taken({.name = "a", .string = "leak me"}), 1U);
  EXPECT_EQ(taken({.name = "a", .string = "keep me"}), 0U);
  EXPECT_EQ(taken({.name = "a", .frame = "x_*"}), 1U);
  EXPECT_EQ(taken({.name = "a", .frame = "y_*"}), 0U);
  EXPECT_EQ(taken({.name = "a", .kind = "slab", .cache = "kmalloc-64"}), 1U);
  EXPECT_EQ(taken({.name = "a", .kind = "vmalloc", .cache = "kmalloc-64"}), 0U);
}

TEST(UserSuppressions, ALimitLeavesTheRest) {
  EXPECT_EQ(taken({.name = "a", .cache = "kmalloc-64"}, 5), 5U);
  EXPECT_EQ(taken({.name = "a", .cache = "kmalloc-64", .limit = 3}, 5), 3U);
}

TEST(UserSuppressions, ARuleAppliesUpToItsDay) {
  EXPECT_EQ(taken({.name = "a", .cache = "*", .expires_day = kToday}), 1U);
  EXPECT_EQ(taken({.name = "a", .cache = "*", .expires_day = kToday - 1}), 0U);
}

TEST(UserSuppressions, TheFirstRuleThatMatchesTakesTheBlock_TheOthersSayThatNothingMatched) {
  Symbols table = symbols();
  const SuppressionRule rules[] = {{.name = "full", .cache = "*", .limit = 1},
                                   {.name = "next", .comment = "why", .cache = "kmalloc-*"},
                                   {.name = "never", .comment = "because", .cache = "dentry"},
                                   {.name = "old", .cache = "*", .expires_day = 1}};
  UserSuppressions suppressions(rules, kToday, table);
  EXPECT_FALSE(suppressions.needs_contents());
  Block leaked = block();
  EXPECT_TRUE(suppressions.take(leaked.group, 64, {}));
  EXPECT_TRUE(suppressions.take(leaked.group, 64, {}));
  auto result = suppressions.result();
  ASSERT_EQ(result.size(), 4U);
  EXPECT_EQ(result[0].total, (Tally{1, 64}));
  EXPECT_EQ(result[1].total, (Tally{1, 64}));
  EXPECT_EQ(result[1].reason, "why");
  EXPECT_EQ(result[2].reason, "nothing matched; because");
  EXPECT_EQ(result[3].reason, "expired: it does not apply any more");
}

TEST(UserSuppressions, PagesAreCountedApart_AndCountForALimit) {
  Symbols table = symbols();
  const SuppressionRule rules[] = {{.name = "pages", .kind = "pages", .limit = 2}, {.name = "slabs", .kind = "slab"}};
  UserSuppressions suppressions(rules, kToday, table);
  Block page = block();
  page.group.kind = BlockKind::Pages;
  page.group.cache = "pages";
  EXPECT_TRUE(suppressions.take(page.group, 4096, page.contents()));
  EXPECT_TRUE(suppressions.take(page.group, 8192, page.contents()));
  EXPECT_FALSE(suppressions.take(page.group, 4096, page.contents()));
  EXPECT_TRUE(suppressions.take(block().group, 64, block().contents()));
  EXPECT_EQ(suppressions.pages(), (Tally{2, 12288}));
  EXPECT_EQ(suppressions.result()[0].total, Tally{});
  EXPECT_EQ(suppressions.result()[0].reason, "it took 2 of PAGES");
  EXPECT_EQ(suppressions.result()[1].total, (Tally{1, 64}));
}

}  // namespace
}  // namespace orphan::kernel
