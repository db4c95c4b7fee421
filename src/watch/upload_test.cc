// SPDX-License-Identifier: Apache-2.0
#include "watch/upload.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <vector>

#include "watch/temporary_directory.h"

namespace orphan::watch {
namespace {

class Spool {
 public:
  explicit Spool(const std::string& command) {
    std::filesystem::create_directories(files.path("spool"));
    auto uploads = Uploads::create({.directory = files.path("spool"), .command = command, .first_retry_s = 10},
                                   [this](const std::string& text) { notices.push_back(text); });
    EXPECT_TRUE(uploads);
    uploads_.emplace(std::move(*uploads));
  }
  void add(const std::string& name) {
    files.write("spool/" + name, name);
    uploads_->wake();
  }
  bool has(const std::string& name) const { return std::filesystem::exists(files.path("spool/" + name)); }
  // Until nothing runs any more, at one moment of the clock.
  void run(i64 now_ms) {
    uploads_->poll(now_ms);
    for (int i = 0; i < 500 && uploads_->is_running(); ++i) {
      timespec nap{0, 5'000'000};
      ::nanosleep(&nap, nullptr);
      uploads_->poll(now_ms);
    }
  }
  Uploads& uploads() { return *uploads_; }
  void end() { uploads_.reset(); }

  TemporaryDirectory files;
  std::vector<std::string> notices;

 private:
  std::optional<Uploads> uploads_;
};

TEST(Uploads, EachFileIsHandedOverOnce_TheOldestFirst_AndRemoved) {
  TemporaryDirectory log;
  Spool spool("basename {} >>" + log.path("done"));
  spool.add("b.jsonl.zst");
  spool.add("a.jsonl.zst");
  spool.add("not-ours.txt");
  spool.add(".orphan-1-2.jsonl.zst");
  spool.run(0);
  EXPECT_EQ(log.read("done"), "a.jsonl.zst\nb.jsonl.zst\n");
  EXPECT_FALSE(spool.has("a.jsonl.zst"));
  EXPECT_TRUE(spool.has("not-ours.txt"));
  EXPECT_TRUE(spool.has(".orphan-1-2.jsonl.zst"));
  EXPECT_TRUE(spool.uploads().is_idle());
  EXPECT_TRUE(spool.notices.empty());
}

TEST(Uploads, WithoutBracesTheFileIsPutBehindTheCommand) {
  TemporaryDirectory log;
  Spool spool("cp -t " + log.path());
  spool.add("a.jsonl.zst");
  spool.run(0);
  EXPECT_EQ(log.read("a.jsonl.zst"), "a.jsonl.zst");
}

TEST(Uploads, WhatFailsStays_IsToldOnce_AndTriedLaterEachTime) {
  TemporaryDirectory log;
  Spool spool("echo x >>" + log.path("tries") + "; test -e " + log.path("up") + " && test -e {}");
  spool.add("a.jsonl.zst");
  auto tries = [&] { return log.read("tries").size() / 2; };
  spool.run(0);
  EXPECT_EQ(tries(), 1U);
  EXPECT_TRUE(spool.has("a.jsonl.zst"));
  ASSERT_EQ(spool.notices.size(), 1U);
  EXPECT_NE(spool.notices[0].find("exit status 1"), std::string::npos);
  struct Step {
    i64 now_ms;
    std::size_t tries;
  };
  for (Step step : {Step{9'999, 1}, Step{10'000, 2}, Step{29'999, 2}, Step{30'000, 3}, Step{69'999, 3}, Step{70'000, 4}}) {
    spool.run(step.now_ms);
    EXPECT_EQ(tries(), step.tries) << step.now_ms;
  }
  EXPECT_EQ(spool.notices.size(), 1U);
  log.write("up", "");
  spool.run(1'000'000);
  EXPECT_FALSE(spool.has("a.jsonl.zst"));
  ASSERT_EQ(spool.notices.size(), 2U);
  EXPECT_NE(spool.notices[1].find("works again"), std::string::npos);
}

TEST(Uploads, TheWaitNeverGetsLongerThanAnHour) {
  TemporaryDirectory log;
  Spool spool("echo x >>" + log.path("tries") + "; false");
  spool.add("a.jsonl.zst");
  i64 now_ms = 0;
  for (int i = 0; i < 20; ++i) spool.run(now_ms += 3'600'000);
  EXPECT_EQ(log.read("tries").size() / 2, 20U);
}

TEST(Uploads, ACommandThatDiesOrIsNotThereIsAFailure) {
  Spool killed("kill -9 $$");
  killed.add("a.jsonl.zst");
  killed.run(0);
  ASSERT_EQ(killed.notices.size(), 1U);
  EXPECT_NE(killed.notices[0].find("signal 9"), std::string::npos);
  EXPECT_TRUE(killed.has("a.jsonl.zst"));
}

TEST(Uploads, AtTheEndACommandThatStillRunsIsEnded_AndItsFileStays) {
  TemporaryDirectory log;
  Spool spool("echo $$ >" + log.path("pid") + "; exec sleep 1000 #");
  spool.add("a.jsonl.zst");
  spool.uploads().poll(0);
  for (int i = 0; i < 500 && log.read("pid").empty(); ++i) {
    timespec nap{0, 5'000'000};
    ::nanosleep(&nap, nullptr);
  }
  pid_t pid = std::stoi(log.read("pid"));
  spool.end();
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_TRUE(spool.has("a.jsonl.zst"));
}

TEST(Uploads, AHangingCommandIsEndedAfterAnHour) {
  Spool spool("exec sleep 1000 #");
  spool.add("a.jsonl.zst");
  spool.uploads().poll(0);
  spool.uploads().poll(3'599'999);
  EXPECT_TRUE(spool.uploads().is_running());
  spool.uploads().poll(3'600'001);
  EXPECT_FALSE(spool.uploads().is_running());
  EXPECT_EQ(spool.notices.size(), 1U);
  EXPECT_TRUE(spool.has("a.jsonl.zst"));
}

TEST(Uploads, ADirectoryWhoseNameAShellWouldReadIsTurnedDown) {
  for (const char* name : {"a b", "a;b", "$(a)", "a'b"}) {
    auto uploads = Uploads::create({.directory = name, .command = "true"}, [](const std::string&) {});
    ASSERT_FALSE(uploads) << name;
    EXPECT_EQ(uploads.error().code(), ErrorCode::Usage);
  }
}

}  // namespace
}  // namespace orphan::watch
