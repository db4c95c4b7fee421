// SPDX-License-Identifier: Apache-2.0
#include "track/choice.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "kernel/slub.h"

namespace orphan::track {
namespace {

namespace fs = std::filesystem;

class ChoiceTest : public testing::Test {
 protected:
  ChoiceTest() {
    fs::create_directories(folder_);
    add("kmalloc-128", 128, ":0000128");
    add("kmalloc-cg-96", 96, "kmalloc-cg-96");
    add("dentry", 192, "dentry");
    add("file_lock", 240, ":0000240");
  }
  ~ChoiceTest() override { fs::remove_all(folder_); }
  void add(const std::string& name, u32 size_bytes, const std::string& unique) {
    kernel::Cache& cache = caches_.emplace_back();
    cache.address = Addr{0xffff'8880'0000'0000 + (caches_.size() - 1) * 256};
    cache.name = name;
    cache.size_bytes = size_bytes;
    link(name, unique);
  }
  void link(const std::string& name, const std::string& unique) {
    fs::create_directories(folder_ / unique);
    if (name != unique) fs::create_directory_symlink(folder_ / unique, folder_ / name);
  }
  Choice choose(std::vector<std::string> names) { return choose_caches(names, caches_, folder_.string() + "/"); }

  fs::path folder_ = fs::path(testing::TempDir()) / ("choice." + std::to_string(::getpid()));
  std::vector<kernel::Cache> caches_;
};

TEST_F(ChoiceTest, KmallocCachesAreChosenByTheirSlots_OthersByTheirAddress) {
  Choice choice = choose({"kmalloc-128", "dentry", "kmalloc-cg-96"});
  EXPECT_EQ(choice.wanted.kmallocs, (std::vector<u32>{128, 96}));
  ASSERT_EQ(choice.wanted.caches.size(), 1U);
  EXPECT_EQ(choice.wanted.caches[0].address, caches_[2].address);
  EXPECT_EQ(choice.wanted.caches[0].slot_bytes, 192U);
  EXPECT_TRUE(choice.unknown.empty());
  EXPECT_FALSE(choice.wanted.vmalloc || choice.wanted.percpu || choice.wanted.large_kmallocs || choice.wanted.pages);
}

TEST_F(ChoiceTest, OtherAllocatorsAreChosenByTheirNamesInReports) {
  Choice choice = choose({"vmalloc", "per-cpu", "large kmalloc", "pages"});
  EXPECT_TRUE(choice.wanted.vmalloc && choice.wanted.percpu && choice.wanted.large_kmallocs && choice.wanted.pages);
  EXPECT_TRUE(choice.wanted.caches.empty() && choice.wanted.kmallocs.empty());
}

TEST_F(ChoiceTest, ACacheThatWasMergedIsTheOneThatItWasMergedInto) {
  link("seq_file", ":0000240");
  Choice choice = choose({"seq_file"});
  ASSERT_EQ(choice.wanted.caches.size(), 1U);
  EXPECT_EQ(choice.wanted.caches[0].address, caches_[3].address);
}

TEST_F(ChoiceTest, NamesThatNoCacheHasAreSaid) {
  EXPECT_EQ(choose({"dentry", "no_such", "../choice", ""}).unknown, (std::vector<std::string>{"no_such", "../choice", ""}));
}

TEST(Suspects, EachCacheOfAReportStandsOnce) {
  auto names = suspects_in(
      R"({"schema": 1, "leaks": [{"cache": "b"}, {"cache": "a"}, {"cache": "b"}], "pages": [{"cache": "pages"}]})", "file");
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, (std::vector<std::string>{"a", "b", "pages"}));
}

TEST(Suspects, WhatIsNoReportIsAnErrorWithItsName) {
  for (const char* text :
       {"", "{", "[]", "{}", "7", R"({"leaks": []})", R"({"schema": 1, "leaks": 3})", R"({"schema": 1, "leaks": []})",
        R"({"schema": 1, "leaks": [7]})", R"({"schema": 1, "leaks": [{}]})", R"({"schema": 1, "leaks": [{"cache": 7}]})"}) {
    auto names = suspects_in(text, "report.json");
    ASSERT_FALSE(names) << text;
    EXPECT_EQ(names.error().code(), ErrorCode::BadData);
    EXPECT_TRUE(names.error().text().starts_with("report.json: ")) << names.error().text();
  }
}

TEST(Cgroups, AFolderOfAnotherFileSystemIsNone) {
  auto cgroup = find_cgroup("/tmp");
  ASSERT_FALSE(cgroup);
  EXPECT_EQ(cgroup.error().code(), ErrorCode::Usage);
  EXPECT_FALSE(find_cgroup("/no/such/folder"));
}

}  // namespace
}  // namespace orphan::track
