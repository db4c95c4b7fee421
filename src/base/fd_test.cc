// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace orphan {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(Fd, ClosesItsDescriptorWhenItGoes) {
  int number = -1;
  {
    auto fd = open_file("/dev/null", O_RDONLY);
    ASSERT_TRUE(fd);
    number = fd->value();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, AMoveHandsTheDescriptorOver) {
  Fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  int number = first.value();
  Fd second(std::move(first));
  EXPECT_EQ(second.value(), number);
  Fd third;
  third = std::move(second);
  EXPECT_EQ(third.value(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(OpenFile, TellsAMissingFileFromOtherErrors_AndNamesIt) {
  auto missing = open_file("/nowhere/at/all", O_RDONLY);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  EXPECT_NE(missing.error().text().find("/nowhere/at/all"), std::string::npos);
  auto folder = open_file("/tmp", O_WRONLY);
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code(), ErrorCode::Io);
}

TEST(ReadFile, ReadsAllOfAFileOfAnySize) {
  std::string path = testing::TempDir() + "orphan_fd_test";
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{300'001}}) {
    std::string text(size, 'x');
    std::ofstream(path) << text;
    auto read = read_file(path);
    ASSERT_TRUE(read);
    EXPECT_TRUE(*read == text) << size << " bytes";
  }
  std::filesystem::remove(path);
}

TEST(ReadFile, AFolderIsAnErrorThatNamesIt) {
  auto read = read_file("/tmp");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text().find("/tmp"), std::string::npos);
}

TEST(SystemError, SaysWhatFailedAndWhy) {
  Error error = system_error("/proc/kcore", EACCES);
  EXPECT_EQ(error.code(), ErrorCode::Permission);
  EXPECT_EQ(error.text(), "/proc/kcore: Permission denied");
}

}  // namespace
}  // namespace orphan
