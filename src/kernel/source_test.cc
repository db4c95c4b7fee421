// SPDX-License-Identifier: Apache-2.0
#include "kernel/source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace orphan::kernel {
namespace {

TEST(Source, SegmentsAreReadAsTheyWerePrinted_AnythingElseIsRefused) {
  std::vector<CoreSegment> segments{{Addr{0xffff'8880'0000'1000}, 0x1000, 0x9f000, 0},
                                    {Addr{~u64{0xfff}}, kPhysicalUnknown, 0x1000, 0}};
  auto same = parse_segments(print(segments));
  ASSERT_TRUE(same);
  ASSERT_EQ(same->size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*same)[i].vaddr, segments[i].vaddr);
    EXPECT_EQ((*same)[i].physical, segments[i].physical);
    EXPECT_EQ((*same)[i].size, segments[i].size);
  }
  EXPECT_TRUE(parse_segments("")->empty());
  for (const char* bad : {"x", "1 2", "1 2 0", "1 2 3x", "ffffffffffffffff 0 2", "\n", "1 2 10000000000000000"}) {
    EXPECT_FALSE(parse_segments(bad)) << bad;
  }
}

TEST(Source, TheFactsAboutTheScansProcessAreReadAsTheyWerePrinted_AnythingElseIsRefused) {
  auto same = parse_self(print(Self{.start_stack = 0x7ffc'1234'5678, .descriptors = {3, 17}}));
  ASSERT_TRUE(same);
  EXPECT_EQ(same->start_stack, 0x7ffc'1234'5678U);
  EXPECT_EQ(same->descriptors, (std::vector<int>{3, 17}));
  for (const char* bad : {"", "x", "1 x", "1  2", "1 ffffffffff"}) EXPECT_FALSE(parse_self(bad)) << bad;
}

TEST(Source, ADirectorysTextHasItsNames_AndWhatLinksLeadTo) {
  std::string pattern = testing::TempDir() + "/orphan-source-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  std::ofstream(pattern + "/file") << "text";
  std::filesystem::create_symlink("../some/:0000064", pattern + "/link");
  auto text = read_text(pattern + "/");
  ASSERT_TRUE(text);
  std::vector<Entry> entries = parse_directory(*text);
  std::ranges::sort(entries, {}, &Entry::name);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].name, "file");
  EXPECT_EQ(entries[0].target, "");
  EXPECT_EQ(entries[1].name, "link");
  EXPECT_EQ(entries[1].target, "../some/:0000064");
  EXPECT_EQ(*read_text(pattern + "/file"), "text");
  std::filesystem::remove_all(pattern);
  for (const std::string& gone : {pattern + "/", pattern + "/file"}) {
    auto missing = read_text(gone);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  }
}

}  // namespace
}  // namespace orphan::kernel
