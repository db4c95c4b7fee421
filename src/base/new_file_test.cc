// SPDX-License-Identifier: Apache-2.0
#include "base/new_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>

namespace orphan {
namespace {

class NewFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/orphan-new-file-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/file"; }
  std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory_)) ++count;
    return count;
  }
  static Bytes bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

  std::string directory_;
};

TEST_F(NewFileTest, WhatWasWrittenIsThereAfterCommit_NothingBefore) {
  auto file = NewFile::create(path(), "the thing");
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->write(bytes("one ")));
  ASSERT_TRUE(file->write(bytes("two")));
  EXPECT_FALSE(std::filesystem::exists(path()));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(*read_file(path()), "one two");
  struct stat status;
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(files(), 1U);
}

TEST_F(NewFileTest, WithoutCommitTheOldFileStaysAndNothingIsLeft) {
  {
    auto first = NewFile::create(path(), "the thing");
    ASSERT_TRUE(first && first->write(bytes("old")) && first->commit());
    auto second = NewFile::create(path(), "the thing");
    ASSERT_TRUE(second && second->write(bytes("new")));
  }
  EXPECT_EQ(*read_file(path()), "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(NewFileTest, AProcessThatDiesWhileItWritesLeavesNothing) {
  // Only where the file system has files without a name.
  int unnamed = ::open(directory_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (unnamed < 0) GTEST_SKIP() << "no O_TMPFILE in " << directory_;
  ::close(unnamed);
  pid_t child = ::fork();
  if (child == 0) {
    auto file = NewFile::create(path(), "the thing");
    if (!file || !file->write(bytes("half"))) ::_exit(1);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(files(), 0U);
}

TEST_F(NewFileTest, ErrorsNameWhatWhereAndWhatToDo) {
  auto file = NewFile::create(directory_ + "/missing/file", "the thing");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().text(),
            "cannot write the thing to " + directory_ + "/missing/file: No such file or directory; create its directory first");
}

}  // namespace
}  // namespace orphan
