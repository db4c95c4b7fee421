// SPDX-License-Identifier: Apache-2.0
#include "kernel/btf.h"

#include <bpf/btf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernel/fake_btf.h"

namespace orphan::kernel {
namespace {

class BtfTest : public testing::Test {
 protected:
  ~BtfTest() override {
    std::filesystem::remove(path_);
    std::filesystem::remove(path_ + ".module");
  }
  std::string path_ = (std::filesystem::temp_directory_path() / fmt::format("orphan_btf_test_{}", ::getpid())).string();
};

constexpr std::string_view kTypes = R"(
typedef word_t u32
struct pair 16
  u64 first 0
  word_t second 8
struct .hidden 24
  pair pair 0
  u16 flags 16:3:5
struct outer 64
  u8[3] bytes 0
  .hidden - 8
  pair last 40
enum colour
  RED 1
  BLUE -2
)";

TEST_F(BtfTest, MembersAreFoundByPath_ThroughAnonymousOnesToo) {
  Btf btf = FakeTypes(kTypes).load();
  struct Case {
    const char* path;
    u32 offset, size;
  };
  for (const Case& c :
       {Case{"bytes", 0, 3}, Case{"pair", 8, 16}, Case{"pair.second", 16, 4}, Case{"last.first", 40, 8}, Case{"last", 40, 16}}) {
    auto member = btf.member("outer", c.path);
    ASSERT_TRUE(member.has_value()) << c.path;
    EXPECT_EQ(member->offset_bytes, c.offset) << c.path;
    EXPECT_EQ(member->size_bytes, c.size) << c.path;
    EXPECT_EQ(member->bit_size, 0) << c.path;
  }
}

TEST_F(BtfTest, ABitFieldTellsItsBits) {
  auto member = FakeTypes(kTypes).load().member("outer", "flags");
  ASSERT_TRUE(member.has_value());
  EXPECT_EQ(member->offset_bytes, 24U);
  EXPECT_EQ(member->bit_offset, 3);
  EXPECT_EQ(member->bit_size, 5);
}

TEST_F(BtfTest, WhatIsNotThereIsNotFound) {
  Btf btf = FakeTypes(kTypes).load();
  for (const char* path :
       {"", "nothing", "pair.nothing", "pair.", ".pair", "pair..second", "bytes.first", "hidden", "last.first.x"}) {
    EXPECT_FALSE(btf.member("outer", path).has_value()) << path;
  }
  EXPECT_FALSE(btf.member("colour", "RED").has_value());
  EXPECT_FALSE(btf.member("nothing", "x").has_value());
  EXPECT_FALSE(btf.size_of("nothing").has_value());
  EXPECT_FALSE(btf.has("hidden"));
  EXPECT_FALSE(btf.has("word_t")) << "only structs, unions and enums have names here";
  EXPECT_TRUE(btf.has("outer"));
  EXPECT_EQ(btf.size_of("outer"), 64U);
}

TEST_F(BtfTest, EnumeratorsAreFound_NegativeOnesAreExtended) {
  Btf btf = FakeTypes(kTypes).load();
  EXPECT_EQ(btf.enumerator("colour", "RED"), 1U);
  EXPECT_EQ(btf.enumerator("colour", "BLUE"), ~u64{1});
  EXPECT_FALSE(btf.enumerator("colour", "GREEN").has_value());
  EXPECT_FALSE(btf.enumerator("outer", "bytes").has_value());
  EXPECT_FALSE(btf.enumerator("nothing", "RED").has_value());
}

TEST_F(BtfTest, WideEnumeratorsAreReadWhole) {
  btf* types = btf__new_empty();
  ASSERT_GT(btf__add_enum64(types, "wide", 8, false), 0);
  ASSERT_EQ(btf__add_enum64_value(types, "TOP", 0x8000'0000'0000'0001), 0);
  u32 size = 0;
  const void* bytes = btf__raw_data(types, &size);
  std::ofstream(path_, std::ios::binary).write(static_cast<const char*>(bytes), size);
  btf__free(types);
  EXPECT_EQ(Btf::load(path_)->enumerator("wide", "TOP"), 0x8000'0000'0000'0001U);
}

TEST_F(BtfTest, AModulesTypesBuildOnTheKernels) {
  FakeTypes(kTypes).write(path_);
  FakeTypes("struct thing 48\n  u64 first 0\n  u32 second 8\n").write(path_ + ".module", path_);
  auto base = Btf::load(path_);
  ASSERT_TRUE(base);
  auto module = Btf::load(path_ + ".module", &*base);
  ASSERT_TRUE(module) << module.error().text();
  EXPECT_EQ(module->size_of("thing"), 48U);
  EXPECT_EQ(module->member("thing", "second")->offset_bytes, 8U);
  EXPECT_FALSE(module->has("outer")) << "that is the kernel's";
}

TEST_F(BtfTest, AMissingFileIsNotFound_OtherBytesAreBadData) {
  auto missing = Btf::load(path_ + ".nothing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  std::ofstream(path_) << "this is not BTF at all";
  auto bad = Btf::load(path_);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), ErrorCode::BadData);
  EXPECT_NE(bad.error().text().find(path_), std::string::npos);
}

TEST_F(BtfTest, ATypeThatContainsItselfEnds) {
  btf* types = btf__new_empty();
  ASSERT_EQ(btf__add_struct(types, "loop", 64), 1);
  ASSERT_EQ(btf__add_field(types, nullptr, 1, 0, 0), 0);
  ASSERT_EQ(btf__add_typedef(types, "circle", 3), 2);
  ASSERT_EQ(btf__add_typedef(types, "other", 2), 3);
  ASSERT_EQ(btf__add_struct(types, "user", 64), 4);
  ASSERT_EQ(btf__add_field(types, "member", 2, 0, 0), 0);
  u32 size = 0;
  const void* bytes = btf__raw_data(types, &size);
  std::ofstream(path_, std::ios::binary).write(static_cast<const char*>(bytes), size);
  btf__free(types);
  auto loaded = Btf::load(path_);
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->member("loop", "nothing").has_value());
  EXPECT_FALSE(loaded->member("user", "member.first").has_value());
}

}  // namespace
}  // namespace orphan::kernel
