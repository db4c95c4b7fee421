// SPDX-License-Identifier: Apache-2.0
#include "kernel/evidence.h"

#include <gtest/gtest.h>

#include <array>

#include "kernel/fake_btf.h"
#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

class EvidenceTest : public testing::Test {
 protected:
  Symbols symbols_ = fake_symbols({{kFakeText + 0x100, "ext4_file_operations"}, {kFakeText + 0x200, "next"}});
  EvidenceGatherer gatherer_{symbols_};

  void add(const std::vector<u64>& words) { gatherer_.add(std::as_bytes(std::span(words))); }
  void add_text(std::string_view text) { gatherer_.add(std::as_bytes(std::span(text))); }
};

TEST_F(EvidenceTest, AnAddressInTheImageIsItsSymbol) {
  add({0, kFakeText + 0x100, kFakeText + 0x110});
  auto found = gatherer_.result(10);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].kind, Evidence::Kind::Symbol);
  EXPECT_EQ(found[0].offset_bytes, 8U);
  EXPECT_EQ(found[0].text, "ext4_file_operations");
  EXPECT_EQ(found[1].text, "ext4_file_operations+0x10");
}

TEST_F(EvidenceTest, WordsThatAreNoAddressesInTheImageAreNone) {
  add({0x1234, 0x7fff'ffff'f000, 0xffff'8880'0010'0000, kFakeText - 8, kFakeEnd, ~u64{0}});
  EXPECT_TRUE(gatherer_.result(10).empty());
}

TEST_F(EvidenceTest, AStringOfFourCharactersWithAnEndIsEvidence_ShorterOrWithoutOneIsNot) {
  using namespace std::literals;
  struct Case {
    std::string_view bytes;
    std::string_view text;
  };
  for (const Case& c : {Case{"eth0\0\0\0\0"sv, "eth0"}, Case{"lo\0\0\0\0\0\0"sv, ""}, Case{"\0\0\0/dev/sda\0"sv, "/dev/sda"},
                        Case{"no end"sv, ""}, Case{"tab\tbed\0"sv, ""}, Case{"\x01\x02name\0"sv, "name"}, Case{""sv, ""}}) {
    EvidenceGatherer gatherer(symbols_);
    gatherer.add(std::as_bytes(std::span(c.bytes)));
    auto found = gatherer.result(10);
    ASSERT_EQ(found.size(), c.text.empty() ? 0U : 1U) << c.bytes;
    if (!found.empty()) {
      EXPECT_EQ(found[0].text, c.text);
    }
  }
}

TEST_F(EvidenceTest, ALongStringIsCut) {
  add_text(std::string(500, 'a') + '\0');
  EXPECT_EQ(gatherer_.result(1).at(0).text, std::string(64, 'a'));
}

TEST_F(EvidenceTest, WhatStandsInMostObjectsComesFirst_AndThereIsALimit) {
  for (int i = 0; i < 3; ++i) add({kFakeText + 0x200});
  add({0, kFakeText + 0x100});
  for (int i = 0; i < 2; ++i) add_text(std::string("some name\0", 10));
  auto found = gatherer_.result(2);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].text, "next");
  EXPECT_EQ(found[0].count, 3U);
  EXPECT_EQ(found[1].text, "some name");
  EXPECT_EQ(found[1].count, 2U);
}

TEST_F(EvidenceTest, WithoutBoundsOnContentsWhatIsKeptIsBounded) {
  for (u64 i = 0; i < 5000; ++i) add_text(fmt::format("string number {}", i) + '\0');
  EXPECT_LE(gatherer_.result(~std::size_t{0}).size(), 512U);
}

TEST_F(EvidenceTest, AFrameNamesItsFunction) {
  Frame frame = to_frame(Addr{kFakeText + 0x104}, symbols_);
  EXPECT_EQ(frame.symbol, "ext4_file_operations");
  EXPECT_EQ(frame.offset, 4U);
  EXPECT_EQ(frame.symbol_size, 0x100U);
  EXPECT_TRUE(to_frame(Addr{0x1234}, symbols_).symbol.empty());
}

class TypeOfCacheTest : public testing::Test {
 protected:
  TypeOfCacheTest() {
    std::filesystem::create_directories(folder_);
    FakeTypes types(
        "struct ext4_inode 1000\n  u64 first 0\nstruct buffer_head 104\n  u64 first 0\nstruct mm_struct 900\n  u64 first 0\n"
        "struct sk_buff 232\n  u64 first 0\nstruct proc_inode_info 700\n  u64 first 0\nstruct files_struct 704\n  u64 first 0\n");
    types.write(folder_ + "vmlinux");
    FakeTypes("struct leaky_thing 72\n  u64 first 0\n").write(folder_ + "leaky", folder_ + "vmlinux");
    std::ofstream(folder_ + "broken") << "not BTF";
    btf_.emplace(std::move(*Btf::load(folder_ + "vmlinux")));
  }
  ~TypeOfCacheTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_ = (std::filesystem::temp_directory_path() / fmt::format("orphan_btf_folder_{}/", ::getpid())).string();
  std::optional<Btf> btf_;
};

TEST_F(TypeOfCacheTest, ATypeOfTheCachesNameAndSizeIsTheObjects) {
  struct Case {
    std::string_view cache;
    u64 size;
    std::string_view type;
  };
  for (const Case& c : {Case{"buffer_head", 104, "struct buffer_head"}, Case{"buffer_head", 112, ""},
                        Case{"ext4_inode_cache", 1000, "struct ext4_inode"}, Case{"mm_struct", 900, "struct mm_struct"},
                        Case{"skbuff_head_cache", 232, "struct sk_buff"}, Case{"skbuff_head_cache", 240, ""},
                        Case{"proc_inode_cache", 700, "struct proc_inode_info"}, Case{"files_cache", 704, "struct files_struct"},
                        Case{"leaky_thing", 72, "struct leaky_thing"}, Case{"leaky_thing_cachep", 72, "struct leaky_thing"},
                        Case{"kmalloc-96", 96, ""}}) {
    EXPECT_EQ(type_of_cache(c.cache, c.size, *btf_, read_text, folder_), c.type) << c.cache;
  }
}

TEST_F(TypeOfCacheTest, WithoutAFolderOfModulesOnlyTheKernelsTypesAreKnown) {
  EXPECT_EQ(type_of_cache("leaky_thing", 72, *btf_, read_text, "/nowhere/at/all/"), "");
  EXPECT_EQ(type_of_cache("buffer_head", 104, *btf_, read_text, "/nowhere/at/all/"), "struct buffer_head");
}

}  // namespace
}  // namespace orphan::kernel
