// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_log.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>

#include "logs/slub_samples.h"

namespace orphan::logs {
namespace {

class SlubLogTest : public testing::Test {
 protected:
  SlubLogTest() : path_(std::filesystem::temp_directory_path() / ("slub-log." + std::to_string(::getpid()))) {}
  ~SlubLogTest() override { std::filesystem::remove(path_); }

  void write(std::string_view text) const { std::ofstream(path_, std::ios::binary) << text; }
  // What stayed, by the file as it is now.
  u64 stayed() {
    complaints_.clear();
    SlubTrace::Complain complain = [this](u64 line, std::string_view what) {
      complaints_ += std::to_string(line) + ": " + std::string(what) + "\n";
    };
    SlubTrace trace(complain);
    auto read = read_slub_log(path_, trace, complain);
    EXPECT_TRUE(read) << (read ? "" : read.error().text());
    u64 count = 0;
    for (const Leak& leak : trace.finish().groups) count += leak.total.count;
    return count;
  }

  std::string path_, complaints_;
};

TEST_F(SlubLogTest, PlainGzipAndZstdAreRead) {
  write(kX86Trace);
  EXPECT_EQ(stayed(), 1U);
  gzFile file = ::gzopen(path_.c_str(), "wb");
  ::gzwrite(file, kX86Trace.data(), static_cast<unsigned>(kX86Trace.size()));
  ::gzclose(file);
  EXPECT_EQ(stayed(), 1U);
  std::string packed(ZSTD_compressBound(kX86Trace.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), kX86Trace.data(), kX86Trace.size(), 1));
  write(packed);
  EXPECT_EQ(stayed(), 1U);
  EXPECT_EQ(complaints_, "");
}

TEST_F(SlubLogTest, OfACompressedFileThatIsCutWhatCameBeforeIsUsedAndTheRestIsTold) {
  gzFile file = ::gzopen(path_.c_str(), "wb");
  std::string twice = std::string(kX86Trace) + std::string(1 << 20, 'x');
  ::gzwrite(file, twice.data(), static_cast<unsigned>(twice.size()));
  ::gzclose(file);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 20);
  EXPECT_EQ(stayed(), 1U);
  EXPECT_NE(complaints_.find("cut short"), std::string::npos) << complaints_;
}

TEST_F(SlubLogTest, ALogWithoutARecordIsRefused) {
  write("[    0.000000] Linux version 6.1.0\n");
  SlubTrace::Complain complain = [](u64, std::string_view) {};
  SlubTrace trace(complain);
  auto read = read_slub_log(path_, trace, complain);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::BadData);
  EXPECT_NE(read.error().text().find("slub_debug=T"), std::string::npos);
  EXPECT_TRUE(read.error().text().starts_with(path_));
}

TEST_F(SlubLogTest, AFileThatIsNotThereIsNamed) {
  SlubTrace::Complain complain = [](u64, std::string_view) {};
  SlubTrace trace(complain);
  auto read = read_slub_log("/nowhere/log", trace, complain);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text().find("/nowhere/log"), std::string::npos);
}

// A file in the place of /dev/kmsg, whose records are one line each.
TEST_F(SlubLogTest, OnlyWhatIsPrintedFromNowOnIsFollowed) {
  write("6,1,1000000,-;TRACE kmalloc-64 alloc 0x10 inuse=1 fp=0x0\n");
  auto kmsg = Kmsg::open(path_);
  ASSERT_TRUE(kmsg);
  std::ofstream(path_, std::ios::app) << "6,2,2000000,-;TRACE kmalloc-64 alloc 0x20 inuse=1 fp=0x0\n";
  SlubTrace trace([](u64, std::string_view) {});
  int looks = 0;
  ASSERT_TRUE(
      kmsg->follow({.path = path_, .seconds = 60, .keep_going = [&] { return looks == 0; }, .look = [&] { ++looks; }}, trace));
  EXPECT_EQ(trace.counts().allocs, 1U);
}

}  // namespace
}  // namespace orphan::logs
