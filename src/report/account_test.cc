// SPDX-License-Identifier: Apache-2.0
#include "report/account.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/fd.h"

namespace orphan {
namespace {

using Json = nlohmann::ordered_json;
using Section = AccountRow::Section;

Account sample() {
  Account account{.target = "kernel 6.1.0", .version = "0.1.0", .ram_pages = 1100, .total_pages = 1000, .has_total = true};
  account.rows = {{.section = Section::Free,
                   .id = "free.buddy",
                   .name = "free",
                   .pages = 600,
                   .kernel = KernelFigure{"MemFree", 596 * 4096, 598 * 4096},
                   .compared_pages = 600,
                   .why = "late"},
                  {.section = Section::User, .id = "user.file", .name = "files", .pages = 0},
                  {.section = Section::Kernel, .id = "kernel.slab", .name = "slab", .pages = 300, .compared_pages = 300},
                  {.section = Section::Unaccounted, .id = "unaccounted.plain", .name = "plain pages", .pages = 100},
                  {.section = Section::Outside, .id = "outside.image", .name = "kernel image", .pages = 100}};
  for (u64 i = 0; i < 3; ++i) {
    account.caches.push_back({.name = "cache-" + std::to_string(i),
                              .pages = 100,
                              .slabs = 100,
                              .objects = 1000,
                              .live = 500,
                              .live_bytes = 200'000,
                              .free_bytes = 200'000,
                              .waste_bytes = 9'600,
                              .kernel = AccountCache::Kernel{510, 1000, 100}});
  }
  account.callers.push_back(
      {.caller = {.address = Addr{0xffffffff81000000}, .symbol = "fork"}, .areas = 2, .pages = 8, .kernel_pages = 8});
  account.owners.push_back({.id = "unaccounted.plain",
                            .referrer = "fruit_pages [fruit]",
                            .looks_like = "zeros",
                            .block_pages = 8,
                            .pages = 100,
                            .looked_into = 12,
                            .evidence = {{Evidence::Kind::String, 16, "banana", 11}, {Evidence::Kind::Symbol, 24, "ops", 3}},
                            .examples = {Addr{0xffff888000001000}}});
  account.owner_blocks = account.looked_into_blocks = 12;
  account.coverage.push_back({.what = "task lists", .count = 1, .why = "changed"});
  return account;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Account, TheDifferenceIsToTheNearerFigure_AndNothingInBetween) {
  AccountRow row{.compared_pages = 10};
  EXPECT_EQ(difference_bytes(row, 4096), 0);
  row.kernel = KernelFigure{"x", 8 * 4096, 9 * 4096};
  EXPECT_EQ(difference_bytes(row, 4096), 4096);
  row.kernel = KernelFigure{"x", 12 * 4096, 11 * 4096};
  EXPECT_EQ(difference_bytes(row, 4096), -4096);
  row.kernel = KernelFigure{"x", 12 * 4096, 9 * 4096};
  EXPECT_EQ(difference_bytes(row, 4096), 0);
}

TEST(Account, WhatIsOutsideOfMemTotalIsNotInTheSum) {
  EXPECT_EQ(accounted_pages(sample()), 1000U);
}

TEST(AccountText, HasEachRowThatIsNotEmpty_TheSumAndWhyItDiffers) {
  std::string text = to_text(sample(), 10);
  EXPECT_TRUE(has(text, "  free  ")) << text;
  EXPECT_TRUE(has(text, "+8.0 KiB  MemFree"));
  EXPECT_TRUE(has(text, "  free: late\n"));
  EXPECT_FALSE(has(text, "files")) << "it is empty, and the kernel says nothing of it";
  EXPECT_TRUE(has(text, "SUM = MemTotal"));
  EXPECT_FALSE(has(text, "NOT UNDERSTOOD"));
  EXPECT_TRUE(has(text, "NOT SEEN: task lists (1): changed"));
  EXPECT_TRUE(has(text, "pointed at by fruit_pages [fruit]"));
  EXPECT_TRUE(has(text, "inside: \"banana\" at +0x10, in 11 of 12"));
  EXPECT_TRUE(has(text, "inside: ops at +0x18, in 3 of 12"));
}

TEST(AccountText, SaysWhatIsMissing_AndWhatTheSumWasNotComparedWith) {
  Account account = sample();
  account.missing_pages = 7;
  EXPECT_TRUE(has(to_text(account, 10), "NOT UNDERSTOOD"));
  account.has_total = false;
  EXPECT_FALSE(has(to_text(account, 10), "= MemTotal"));
}

TEST(AccountText, WhatIsBeyondTheTopIsOneLine) {
  std::string text = to_text(sample(), 2);
  EXPECT_TRUE(has(text, "cache-1") && !has(text, "cache-2") && has(text, "+1 more"));
  EXPECT_FALSE(has(to_text(sample(), 3), "more"));
  EXPECT_TRUE(has(to_text(sample(), 0), "+3 more"));
}

TEST(AccountText, HostileNamesReachNoTerminal) {
  Account account = sample();
  std::string hostile = "\x1b[2J\n\x9b";
  account.caches[0].name = account.owners[0].referrer = account.owners[0].evidence[0].text = hostile;
  account.callers[0].caller.symbol = hostile;
  std::string text = to_text(account, 10);
  EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
}

TEST(AccountJson, NumbersAreThoseOfTheAccount_AllOfThem) {
  Json json = Json::parse(to_json(sample()));
  EXPECT_EQ(json["total_pages"], 1000);
  EXPECT_EQ(json["accounted_pages"], 1000);
  EXPECT_EQ(json["rows"].size(), 5U) << "empty ones too";
  EXPECT_EQ(json["rows"][0]["kernel"]["difference"], 8192);
  EXPECT_TRUE(json["rows"][1]["kernel"].is_null());
  EXPECT_EQ(json["caches"].size(), 3U);
  EXPECT_EQ(json["caches"][0]["slabinfo"]["active"], 510);
  EXPECT_EQ(json["owners"][0]["examples"][0], "0xffff888000001000");
}

TEST(AccountJson, IsAsciiAndSurvivesBytesThatAreNoText) {
  Account account = sample();
  account.caches[0].name = "a\xff\x1b";
  std::string text = to_json(account);
  EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
  EXPECT_FALSE(Json::parse(text, nullptr, false).is_discarded());
}

void collect_keys(const Json& json, std::set<std::string>& keys) {
  for (const auto& [key, value] : json.items()) {
    if (json.is_object()) keys.insert(key);
    if (value.is_structured()) collect_keys(value, keys);
  }
}

TEST(AccountJson, EveryFieldIsDescribedInTheDocumentation) {
  Result<std::string> document = read_file(ORPHAN_DOCS_DIR "/json.md");
  ASSERT_TRUE(document);
  std::string chapter = document->substr(std::min(document->find("# The account as JSON"), document->size()));
  std::set<std::string> keys;
  collect_keys(Json::parse(to_json(sample())), keys);
  EXPECT_GT(keys.size(), 45U);
  for (const std::string& key : keys) EXPECT_NE(chapter.find("`" + key + "`"), std::string::npos) << key;
}

}  // namespace
}  // namespace orphan
