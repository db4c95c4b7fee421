// SPDX-License-Identifier: Apache-2.0
#include "detector/suppression_file.h"

#include <gtest/gtest.h>

namespace orphan {
namespace {

std::vector<SuppressionRule> parse(const std::string& text) {
  auto rules = parse_suppressions(text, "rules.toml");
  EXPECT_TRUE(rules) << (rules ? "" : rules.error().text());
  return rules ? *rules : std::vector<SuppressionRule>();
}

TEST(SuppressionFile, EveryKeyIsRead) {
  auto rules = parse(R"(
# a comment
[[suppress]]
name = "driver X"
comment = "kept for ever"
kind = "slab"
cache = "kmalloc-*"
size = 128
symbol = "x_ops*"
string = "x-*"
frame = "x_probe"
limit = 4
expires = 2027-06-30

[[suppress]]
name = "second"
cache = "dentry"
)");
  ASSERT_EQ(rules.size(), 2U);
  const SuppressionRule& rule = rules[0];
  EXPECT_EQ(rule.name, "driver X");
  EXPECT_EQ(rule.comment, "kept for ever");
  EXPECT_EQ(rule.kind, "slab");
  EXPECT_EQ(rule.cache, "kmalloc-*");
  EXPECT_EQ(rule.size_bytes, 128U);
  EXPECT_EQ(rule.symbol, "x_ops*");
  EXPECT_EQ(rule.string, "x-*");
  EXPECT_EQ(rule.frame, "x_probe");
  EXPECT_EQ(rule.limit, 4U);
  EXPECT_EQ(rule.expires_day, 20999);
  EXPECT_FALSE(rules[1].limit);
}

TEST(SuppressionFile, AnEmptyFileHasNoRules) {
  EXPECT_TRUE(parse("").empty());
  EXPECT_TRUE(parse("# nothing\n").empty());
}

TEST(SuppressionFile, WhatIsWrongIsNamedWithFileAndLine) {
  struct Case {
    const char* text;
    const char* line;
    const char* what;
  };
  const Case cases[] = {
      {"[[suppress]]\nname = \"a\ncache = \"b\"\n", ":2: ", ""},
      {"[[supress]]\nname = \"a\"\n", ":1: ", "'supress' is not known"},
      {"[suppress]\nname = \"a\"\n", ":1: ", "two brackets"},
      {"suppress = [1]\n", ":1: ", "table"},
      {"[[suppress]]\ncache = \"b\"\n", ":1: ", "needs a 'name'"},
      {"[[suppress]]\nname = \"a\"\n", ":1: ", "would suppress everything"},
      {"[[suppress]]\nname = \"a\"\ncahce = \"b\"\n", ":3: ", "'cahce' is no key"},
      {"[[suppress]]\nname = \"a\"\ncache = 5\n", ":3: ", "text in quotes"},
      {"[[suppress]]\nname = \"a\"\ncache = \"\"\n", ":3: ", "text in quotes"},
      {"[[suppress]]\nname = \"a\"\nsize = \"128\"\n", ":3: ", "number from 1 on"},
      {"[[suppress]]\nname = \"a\"\nsize = 0\n", ":3: ", "number from 1 on"},
      {"[[suppress]]\nname = \"a\"\nlimit = -1\n", ":3: ", "number from 1 on"},
      {"[[suppress]]\nname = \"a\"\nexpires = \"2027-01-01\"\n", ":3: ", "day without quotes"},
      {"[[suppress]]\nname = \"a\"\nexpires = 2027-02-30\n", ":3: ", ""},
      {"[[suppress]]\nname = \"a\"\nsize = 8\n[[suppress]]\nname = \"a\"\nsize = 9\n", ":4: ", "another rule 'a'"},
      {"\xff\n", ":1: ", ""},
  };
  for (const Case& c : cases) {
    auto rules = parse_suppressions(c.text, "rules.toml");
    ASSERT_FALSE(rules) << c.text;
    EXPECT_EQ(rules.error().code(), ErrorCode::BadData);
    EXPECT_TRUE(rules.error().text().starts_with(std::string("rules.toml") + c.line)) << rules.error().text();
    EXPECT_NE(rules.error().text().find(c.what), std::string::npos) << rules.error().text();
  }
}

TEST(SuppressionFile, LettersOfAllKindsAreReadInQuotesAndComments) {
  auto rules = parse_suppressions(
      "\xef\xbb\xbf# caf\xc3\x95\n[[suppress]]\nname = \"x0x caf\xc3\x95\" # \xc3\x95\ncomment = '''\xe2\x80\xa8\n\xc3\x95'''\n"
      "cache = '\xc3\x95*'\nsymbol = \"\\u00d5\"\n",
      "rules.toml");
  ASSERT_TRUE(rules) << rules.error().text();
  ASSERT_EQ(rules->size(), 1U);
  EXPECT_EQ((*rules)[0].name, "x0x caf\xc3\x95");
  EXPECT_EQ((*rules)[0].comment, "\xe2\x80\xa8\n\xc3\x95");
  EXPECT_EQ((*rules)[0].cache, "\xc3\x95*");
  EXPECT_EQ((*rules)[0].symbol, "\xc3\x95");
}

TEST(SuppressionFile, ALetterThatIsInNoQuotesIsAMistake) {
  auto key = parse_suppressions("[[suppress]]\nnam\xc3\x95 = \"a\"\n", "rules.toml");
  ASSERT_FALSE(key);
  EXPECT_TRUE(key.error().text().starts_with("rules.toml:2: 'nam\xc3\x95' is no key of a rule")) << key.error().text();
  for (std::string_view text : {"\nx \xc3\x95 = 'a'\n", "\nx = 'a'\xc3\x95\n", "\nx = \xc3\x95\n", "\nx = 4'\xc3\x95'\n",
                                "\nx = \"\"\"\\\xc3\x95\"\"\"\n", "\nx = 20['''''\xc3\x95'''''\n"}) {
    auto rules = parse_suppressions(std::string(text), "rules.toml");
    ASSERT_FALSE(rules) << text;
    EXPECT_TRUE(rules.error().text().starts_with("rules.toml:2: ")) << rules.error().text();
  }
}

TEST(SuppressionFile, EachConditionMustHold) {
  SuppressionFacts facts{.kind = "slab",
                         .cache = "kmalloc-128",
                         .aliases = {"kioctx"},
                         .size_bytes = 128,
                         .symbols = {"x_ops [x]", "y_ops"},
                         .strings = {"leak me"},
                         .frames = {"x_probe", "do_one_initcall"}};
  auto is_match = [&](void (*set)(SuppressionRule&)) {
    SuppressionRule rule{.name = "a"};
    set(rule);
    return matches(rule, facts);
  };
  EXPECT_TRUE(is_match([](SuppressionRule& r) { r.kind = "slab"; }));
  EXPECT_FALSE(is_match([](SuppressionRule& r) { r.kind = "vmalloc"; }));
  EXPECT_TRUE(is_match([](SuppressionRule& r) { r.cache = "kmalloc-*"; }));
  EXPECT_TRUE(is_match([](SuppressionRule& r) { r.cache = "kioctx"; }));
  EXPECT_FALSE(is_match([](SuppressionRule& r) { r.cache = "kmalloc"; }));
  EXPECT_TRUE(is_match([](SuppressionRule& r) { r.size_bytes = 128; }));
  EXPECT_FALSE(is_match([](SuppressionRule& r) { r.size_bytes = 64; }));
  EXPECT_TRUE(is_match([](SuppressionRule& r) { r.symbol = "y_ops"; }));
  EXPECT_TRUE(is_match([](SuppressionRule& r) { r.symbol = "x_ops*"; }));
  EXPECT_FALSE(is_match([](SuppressionRule& r) { r.symbol = "ops"; }));
  EXPECT_TRUE(is_match([](SuppressionRule& r) { r.string = "leak*"; }));
  EXPECT_FALSE(is_match([](SuppressionRule& r) { r.string = "leak"; }));
  EXPECT_TRUE(is_match([](SuppressionRule& r) { r.frame = "x_probe"; }));
  EXPECT_FALSE(is_match([](SuppressionRule& r) { r.frame = "y_probe"; }));
  EXPECT_FALSE(is_match([](SuppressionRule& r) {
    r.symbol = "y_ops";
    r.cache = "dentry";
  }));
}

}  // namespace
}  // namespace orphan
