// SPDX-License-Identifier: Apache-2.0
#include "memory/recording.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "memory/fake_memory.h"
#include "memory/recording_memory.h"

namespace orphan {
namespace {

constexpr Addr kBase{0xffff'8880'0000'0000};
constexpr u64 kPage = 4096;
constexpr u64 kPages = 40;

class RecordingTest : public testing::Test {
 protected:
  RecordingTest() { memory_.map({kBase, kPages * kPage}); }
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/orphan-recording-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    start();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/recording"; }

  void start() {
    auto writer = RecordingWriter::create(path());
    ASSERT_TRUE(writer) << writer.error().text();
    writer_ = std::move(*writer);
    recorder_.emplace(memory_, *writer_);
    writer_->begin_epoch("start");
  }
  u64 get(const Memory& memory, u64 offset) const {
    auto value = read_value<u64>(memory, kBase + offset);
    return value ? *value : ~u64{0};
  }
  void put(u64 offset, u64 value) { memory_.put(kBase + offset, value); }
  Recording finish() {
    auto done = writer_->finish();
    EXPECT_TRUE(done) << done.error().text();
    auto recording = Recording::open(path());
    if (!recording) bug(recording.error().text().c_str());
    return std::move(*recording);
  }
  std::string bytes() const { return *read_file(path()); }
  void write_file(std::string_view bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }

  std::string directory_;
  FakeMemory memory_;
  std::unique_ptr<RecordingWriter> writer_;
  std::optional<RecordingMemory> recorder_;
};

TEST_F(RecordingTest, WhatWasReadTwiceInAnEpochIsAsItWasEachTime) {
  put(8, 1);
  EXPECT_EQ(get(*recorder_, 8), 1U);
  put(8, 2);
  EXPECT_EQ(get(*recorder_, 8), 2U);
  put(8, 1);
  EXPECT_EQ(get(*recorder_, 8), 1U);
  Recording recording = finish();
  RecordedMemory replay(recording);
  for (u64 expected : {1U, 2U, 1U}) EXPECT_EQ(get(replay, 8), expected);
  EXPECT_EQ(get(replay, 8), 1U) << "a read more than was recorded";
}

TEST_F(RecordingTest, AnEpochBeginsWithWhatItsFirstReadSaw_HoweverManyReadsTheOneBeforeHad) {
  put(8, 1);
  EXPECT_EQ(get(*recorder_, 8), 1U);
  writer_->begin_epoch("pass 1");
  put(8, 2);
  EXPECT_EQ(get(*recorder_, 8), 2U);
  Recording recording = finish();
  RecordedMemory replay(recording);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get(replay, 8), 1U);
  ASSERT_TRUE(replay.begin_epoch("pass 1"));
  EXPECT_EQ(get(replay, 8), 2U);
  auto missing = replay.begin_epoch("pass 2");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  EXPECT_EQ(get(replay, 8), 2U) << "the epoch goes on";
}

TEST_F(RecordingTest, WhatWasNeverReadIsNotMapped_TheRestOfAPageThatWasIsThere) {
  put(16, 7);
  (void)get(*recorder_, 8);
  Recording recording = finish();
  RecordedMemory replay(recording);
  EXPECT_EQ(get(replay, 16), 7U);
  EXPECT_FALSE(read_value<u64>(replay, kBase + kPage));
  EXPECT_FALSE(read_value<u64>(replay, Addr{~u64{3}})) << "round the end of the address space";
}

TEST_F(RecordingTest, ATextIsAsItWasAtThatMoment_AndSoIsItsError) {
  std::string large(3 << 20, 'x');
  large.back() = 'y';
  writer_->add_text("/proc/slabinfo", std::string("first"));
  writer_->add_text("large", large);
  writer_->begin_epoch("pass 1");
  writer_->add_text("/proc/slabinfo", Error(ErrorCode::Permission, "no"));
  writer_->add_text("empty", std::string());
  Recording recording = finish();
  RecordedMemory replay(recording);
  EXPECT_EQ(*recording.text(replay.moment(), "/proc/slabinfo"), "first");
  EXPECT_EQ(*recording.text(replay.moment(), "large"), large);
  ASSERT_TRUE(replay.begin_epoch("pass 1"));
  auto failed = recording.text(replay.moment(), "/proc/slabinfo");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::Permission);
  EXPECT_EQ(failed.error().text(), "no");
  EXPECT_EQ(*recording.text(replay.moment(), "empty"), "");
  auto missing = recording.text(replay.moment(), "nothing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
}

TEST_F(RecordingTest, APageThatDidNotChangeIsStoredOnce_OneThatDidAgain) {
  std::mt19937_64 random(1);
  for (u64 offset = 0; offset < kPages * kPage; offset += 8) put(offset, random());
  std::vector<std::byte> all(kPages * kPage);
  ASSERT_TRUE(recorder_->read(kBase, all));
  writer_->begin_epoch("pass 1");
  u64 before = writer_->written_bytes();
  EXPECT_GT(before, kPages * kPage);
  ASSERT_TRUE(recorder_->read(kBase, all));
  writer_->begin_epoch("pass 2");
  u64 unchanged = writer_->written_bytes() - before;
  EXPECT_LT(unchanged, 200U);
  for (u64 page = 0; page < kPages; ++page) put(page * kPage + 8, random());
  ASSERT_TRUE(recorder_->read(kBase, all));
  writer_->begin_epoch("pass 3");
  EXPECT_GT(writer_->written_bytes() - before - unchanged, kPages * kPage);
}

// Any reads of any memory, with changes and faults between them: the replay gives the same bytes and the same failures.
TEST_F(RecordingTest, AnySequenceOfReadsIsReplayedToTheByte) {
  std::mt19937_64 random(2);
  memory_.map({kBase + (kPages + 2) * kPage, 1000});  // ends within a page
  struct Read {
    Addr at;
    std::vector<std::byte> bytes;
    bool is_read;
  };
  std::vector<std::vector<Read>> epochs(1);
  for (int i = 0; i < 3000; ++i) {
    if (random() % 300 == 0) {
      writer_->begin_epoch("pass " + std::to_string(epochs.size()));
      epochs.emplace_back();
    }
    for (u64 change = random() % 3; change > 0; --change) put(random() % (kPages * kPage / 8) * 8, random() % 4);
    u64 size = random() % 8 == 0 ? random() % (12 * kPage) : random() % 64;
    Read read{kBase + random() % ((kPages + 3) * kPage), std::vector<std::byte>(size), false};
    memory_.fail_read(random() % 10 == 0 ? 1 + random() % 4 : 0);
    read.is_read = bool(recorder_->read(read.at, read.bytes));
    epochs.back().push_back(std::move(read));
  }
  Recording recording = finish();
  EXPECT_EQ(recording.epochs(), epochs.size());
  RecordedMemory replay(recording);
  u64 failed = 0;
  for (std::size_t epoch = 0; epoch < epochs.size(); ++epoch) {
    ASSERT_TRUE(replay.begin_epoch(epoch == 0 ? "start" : "pass " + std::to_string(epoch)));
    for (const Read& read : epochs[epoch]) {
      std::vector<std::byte> bytes(read.bytes.size());
      ASSERT_EQ(bool(replay.read(read.at, bytes)), read.is_read);
      ASSERT_TRUE(!read.is_read || bytes == read.bytes);
      failed += read.is_read ? 0 : 1;
    }
  }
  EXPECT_GT(failed, 100U);
  EXPECT_EQ(replay.bytes_read(), recorder_->bytes_read());
}

TEST_F(RecordingTest, WithoutFinishThereIsNoFile) {
  (void)get(*recorder_, 8);
  recorder_.reset();
  writer_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(RecordingTest, AFullDiskIsAnErrorThatSaysSo_AndLeavesNothing) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::mt19937_64 random(3);
  std::string text(1 << 16, ' ');
  for (char& c : text) c = static_cast<char>(random());
  writer_->add_text("noise", text);
  EXPECT_FALSE(writer_->status());
  put(8, 5);
  EXPECT_EQ(get(*recorder_, 8), 5U) << "the scan goes on";
  auto done = writer_->finish();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().text().find("cannot write the recording to " + path()), std::string::npos) << done.error().text();
  writer_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(RecordingTest, CannotBeWrittenToWhatIsNoFile) {
  for (const std::string& where : {directory_, std::string("/dev/null"), directory_ + "/missing/file"}) {
    auto writer = RecordingWriter::create(where);
    ASSERT_FALSE(writer) << where;
    EXPECT_NE(writer.error().text().find(where), std::string::npos) << writer.error().text();
  }
}

// --- files that are not whole, or not recordings ---

class DamageTest : public RecordingTest {
 protected:
  void SetUp() override {
    RecordingTest::SetUp();
    put(8, 0x1234);
    (void)get(*recorder_, 8);
    writer_->add_text("text", std::string("some text"));
    writer_->begin_epoch("pass 1");
    (void)get(*recorder_, kPage);
    ASSERT_TRUE(writer_->finish());
    whole_ = bytes();
  }
  // The error, which has to be one line that names the file, a place and what to do.
  std::string error_of(std::string_view file) {
    write_file(file);
    auto recording = Recording::open(path());
    if (recording) return {};
    const std::string& text = recording.error().text();
    bool is_useful = text.starts_with(path() + ": ") && text.find('\n') == std::string::npos;
    return is_useful ? text.substr(path().size() + 2) : "useless: " + text;
  }
  static std::string elf_header(char type) {
    std::string header = std::string("\x7f") + "ELF\2\1\1" + std::string(57, '\0');
    header[16] = type;
    return header;
  }
  std::string whole_;
};

TEST_F(DamageTest, AnyByteThatChangedIsFound) {
  for (std::size_t i = 0; i < whole_.size(); ++i) {
    std::string file = whole_;
    file[i] = static_cast<char>(file[i] ^ 0x10);
    std::string error = error_of(file);
    bool is_reserved = i >= 20 && i < 24;
    EXPECT_EQ(error.find("byte ") == std::string::npos, is_reserved) << i << ": " << error;
  }
  EXPECT_EQ(error_of(whole_), "");
}

TEST_F(DamageTest, AFileThatWasCutShortAnywhereIsFound) {
  for (std::size_t size = 24; size < whole_.size(); ++size) {
    std::string error = error_of(whole_.substr(0, size));
    EXPECT_NE(error.find("cut short"), std::string::npos) << size << ": " << error;
    EXPECT_NE(error.find("copy it again"), std::string::npos) << size << ": " << error;
  }
  EXPECT_NE(error_of(whole_ + "x").find("more follows"), std::string::npos);
  EXPECT_NE(error_of(whole_ + whole_).find("more follows"), std::string::npos);
  EXPECT_NE(error_of("").find("empty"), std::string::npos);
}

TEST_F(DamageTest, WhatIsNoRecordingIsToldByKind) {
  EXPECT_NE(error_of(elf_header(4)).find("a memory dump"), std::string::npos);
  EXPECT_NE(error_of(elf_header(2)).find("not a recording"), std::string::npos) << "a program";
  EXPECT_NE(error_of("KDUMP   and more").find("a memory dump"), std::string::npos);
  EXPECT_NE(error_of("some text").find("not a recording"), std::string::npos);
  EXPECT_NE(error_of("some text that is longer than the head").find("not a recording"), std::string::npos);
  std::string newer = whole_;
  newer[16] = 9;
  EXPECT_NE(error_of(newer).find("version 9"), std::string::npos);
  auto missing = Recording::open(path() + "nothing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  EXPECT_FALSE(Recording::open(directory_)) << "a directory";
}

}  // namespace
}  // namespace orphan
