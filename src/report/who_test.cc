// SPDX-License-Identifier: Apache-2.0
#include "report/who.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace orphan {
namespace {

Who sample() {
  WhoBlock block{.address = Addr{0xffff888104c2d000},
                 .size_bytes = 1024,
                 .kind = BlockKind::Slab,
                 .cache = "kmalloc-1k",
                 .caller = {},
                 .state = BlockState::Referenced};
  WhoBlock holder{.address = Addr{0xffffc90000a65000},
                  .size_bytes = 8192,
                  .kind = BlockKind::Vmalloc,
                  .cache = "vmalloc",
                  .caller = {.address = Addr{0xffffffffc01d2036}, .symbol = "ring_alloc", .offset = 0x27, .symbol_size = 0x90},
                  .state = BlockState::Unreferenced};
  Who who;
  who.address = Addr{0xffff888104c2d010};
  who.block = block;
  who.offset_bytes = 16;
  who.referrers = {{.at = Addr{0xffffffff82a00040}, .word = 0xffff888104c2d000, .root = "image: init_task+0x40"},
                   {.at = Addr{0xffffc90000a65008}, .word = 0xffff888104c2d000, .block = holder, .offset_bytes = 8}};
  who.referrer_count = 7;
  who.path = {who.referrers[0]};
  who.contents = {std::byte{0x6c}, std::byte{0x65}};
  who.evidence = {{Evidence::Kind::Symbol, 64, "widget_ops [widget]", 1}, {Evidence::Kind::String, 0, "le\"ak", 1}};
  return who;
}

TEST(WhoText, SaysTheBlockItsStateItsReferrersAndThePath) {
  EXPECT_EQ(to_text(sample()),
            R"(0xffff888104c2d010 is in kmalloc-1k object 0xffff888104c2d000, 1,024 bytes, at +0x10
  state: live, and reached from a root
  symbol: widget_ops [widget] at +0x40
  string: "le\"ak" at +0x0
    6c 65                                            le
  referrers: 7
    image: init_task+0x40
    vmalloc 0xffffc90000a65000 of ring_alloc+0x27/0x90+0x8 (unreferenced)
    +5 more
  path from a root:
    image: init_task+0x40 ->
    kmalloc-1k object 0xffff888104c2d000
)");
}

TEST(WhoText, SaysTheTypeAndWhoAllocatedWhereThatIsKnown) {
  Who who = sample();
  who.type = "struct widget";
  who.stack = {{.address = Addr{0xffffffffc01d2036}, .symbol = "ring_alloc", .offset = 0x27, .symbol_size = 0x90},
               {.address = Addr{0x123}}};
  who.pid = 12;
  who.comm = "ins\nmod";
  who.age_s = 61.6;
  who.cgroup = "/shop";
  who.evidence[0].field = "ops";
  std::string text = to_text(who);
  EXPECT_NE(text.find(R"(
  type: struct widget
  stack: ring_alloc+0x27/0x90
         0x123
  allocated by pid 12 (ins\nmod), 62 s ago
  charged to: /shop
  symbol: widget_ops [widget] at +0x40 (ops)
)"),
            std::string::npos)
      << text;
  who.type_reason = "its size fits";
  EXPECT_NE(to_text(who).find("\n  type: likely struct widget: its size fits\n"), std::string::npos);
}

TEST(WhoText, WeakReferrersAreNamedAsSuch) {
  Who who = sample();
  EXPECT_EQ(to_text(who).find("weak"), std::string::npos);
  who.weak_referrers = {who.referrers[0]};
  who.weak_referrers[0].weak_form = "one-past-end";
  who.weak_referrer_count = 2;
  EXPECT_NE(to_text(who).find("  weak referrers: 2\n    image: init_task+0x40: one-past-end\n    +1 more\n"), std::string::npos)
      << to_text(who);
}

TEST(WhoText, SaysSoWhenNobodyPointsAtItAndWhenNoBlockIsThere) {
  Who who = sample();
  who.referrers.clear();
  who.referrer_count = 0;
  who.path.clear();
  who.block->state = BlockState::Unreferenced;
  EXPECT_NE(to_text(who).find("referrers: none"), std::string::npos);
  EXPECT_EQ(to_text(who).find("path"), std::string::npos);
  who.block.reset();
  who.place = "kernel page 0xffff888104c2d000+0x10";
  EXPECT_EQ(to_text(who), "0xffff888104c2d010 is in no allocator's block: kernel page 0xffff888104c2d000+0x10\n");
}

TEST(WhoText, AHostileNameReachesNoTerminalUnescaped) {
  Who who = sample();
  who.block->cache = "\x1b[2J";
  who.evidence[1].text = "\x1b[2J";
  EXPECT_EQ(to_text(who).find('\x1b'), std::string::npos);
  EXPECT_EQ(to_json("kernel \x1b", {who}).find('\x1b'), std::string::npos);
}

TEST(WhoJson, HoldsEverythingThatTheTextSays) {
  auto json = nlohmann::json::parse(to_json("kernel 6.1", {sample(), Who{.address = Addr{16}, .place = "nothing"}}));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["target"], "kernel 6.1");
  ASSERT_EQ(json["who"].size(), 2U);
  const auto& who = json["who"][0];
  EXPECT_EQ(who["address"], "0xffff888104c2d010");
  EXPECT_EQ(who["block"]["cache"], "kmalloc-1k");
  EXPECT_EQ(who["block"]["state"], "referenced");
  EXPECT_EQ(who["offset"], 16);
  EXPECT_EQ(who["hex"], "6c65");
  EXPECT_EQ(who["referrer_count"], 7);
  EXPECT_EQ(who["referrers"][0]["root"], "image: init_task+0x40");
  EXPECT_TRUE(who["referrers"][0]["block"].is_null());
  EXPECT_EQ(who["referrers"][1]["block"]["caller"], "ring_alloc+0x27/0x90");
  EXPECT_EQ(who["referrers"][1]["offset"], 8);
  EXPECT_EQ(who["path"].size(), 1U);
  EXPECT_EQ(who["evidence"][1]["text"], "le\"ak");
  EXPECT_TRUE(json["who"][1]["block"].is_null());
  EXPECT_EQ(json["who"][1]["place"], "nothing");
}

}  // namespace
}  // namespace orphan
