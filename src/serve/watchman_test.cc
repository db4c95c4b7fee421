// SPDX-License-Identifier: Apache-2.0
#include "serve/watchman.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "serve/fake_scanner.h"

namespace orphan::serve {
namespace {

constexpr Addr kFirst{0xffff888100000000}, kSecond{0xffff888100000040}, kThird{0xffff888100000080};

class WatchmanTest : public testing::Test {
 protected:
  WatchmanTest() { start(); }
  ~WatchmanTest() override {
    end();
    std::filesystem::remove_all(directory_);
  }

  void start(Watchman::Options options = {.settings = {}, .first_scan_s = 1000, .file = "/x/kmemleak"}) {
    auto state = StateFile::open(directory_, "boot", [this](std::string text) { log_.say(text); });
    ASSERT_TRUE(state) << state.error().text();
    state_.emplace(std::move(*state));
    watchman_.emplace(scanner_, *state_, log_, options);
    watchman_->start();
  }
  void end() {
    watchman_.reset();
    state_.reset();
  }

  Answer wait(std::future<Answer> answer) {
    auto status = answer.wait_for(std::chrono::seconds(60));
    EXPECT_EQ(status, std::future_status::ready);
    return status == std::future_status::ready ? answer.get() : Answer{.error = -1};
  }
  struct Asked {
    std::future<Answer> answer;
    std::shared_ptr<Watchman::Ticket> ticket;
  };
  Asked post(const std::string& words) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    auto ticket = watchman_->post(words, [promise](Answer answer) { promise->set_value(std::move(answer)); });
    return {std::move(future), ticket};
  }
  Answer ask(const std::string& words) { return wait(post(words).answer); }
  std::string file() {
    auto promise = std::make_shared<std::promise<Answer>>();
    watchman_->post_read([promise](Answer answer) { promise->set_value(std::move(answer)); });
    return wait(promise->get_future()).text;
  }
  // What the file lists.
  std::vector<std::string> listed() {
    std::vector<std::string> addresses;
    std::string text = file();
    const std::string kHead = "unreferenced object ";
    for (std::size_t at = text.find(kHead); at != std::string::npos; at = text.find(kHead, at + 1))
      addresses.push_back(text.substr(at + kHead.size(), 18));
    return addresses;
  }
  bool has_status(const std::string& line) { return watchman_->status_text().find(line + "\n") != std::string::npos; }
  void wait_for_scan() {
    for (int i = 0; i < 10'000 && !scanner_.is_waiting; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_TRUE(scanner_.is_waiting);
  }

  std::string directory_ = (std::filesystem::temp_directory_path() / ("watchman-test-" + std::to_string(::getpid()))).string();
  FakeScanner scanner_;
  Log log_;
  std::optional<StateFile> state_;
  std::optional<Watchman> watchman_;
};

using Strings = std::vector<std::string>;

TEST_F(WatchmanTest, EachWordIsTakenOrRefusedAsKmemleakDoes_WhenItIsOnAndWhenItIsOff) {
  scanner_.leak(kFirst);
  struct Row {
    const char* words;
    int on, off;
  };
  for (const Row& row : std::initializer_list<Row>{{"scan", 0, EPERM},
                                                   {"scan\n", 0, EPERM},
                                                   {"scanx", 0, EPERM},
                                                   {"scan=on", 0, EPERM},
                                                   {"scan=off", 0, EPERM},
                                                   {"scan=0", 0, EPERM},
                                                   {"scan=junk", EINVAL, EPERM},
                                                   {"scan=99999999999", ERANGE, EPERM},
                                                   {"stack=off", 0, EPERM},
                                                   {"stack=on", 0, EPERM},
                                                   {"stack=maybe", EINVAL, EPERM},
                                                   {"age=0", 0, EPERM},
                                                   {"age=1000001", ERANGE, EPERM},
                                                   {"dump=0xffff888100000000", 0, EPERM},
                                                   {"dump=0xffff88810000003f", 0, EPERM},
                                                   {"dump=0xffff888100000040", EINVAL, EPERM},
                                                   {"why=0xffff888100000000", 0, EPERM},
                                                   {"forget", 0, EPERM},
                                                   {"nonsense", EINVAL, EPERM},
                                                   {"", EINVAL, EPERM},
                                                   {"status", 0, 0},
                                                   {"clear", 0, 0},
                                                   {"on", 0, 0}}) {
    ask("on");
    EXPECT_EQ(ask(row.words).error, row.on) << row.words;
    EXPECT_EQ(ask("off").error, 0);
    EXPECT_EQ(ask(row.words).error, row.off) << row.words << ", off";
  }
}

TEST_F(WatchmanTest, WhatAScanFindsIsListed_AndCountedAsNewOnce) {
  EXPECT_EQ(file(), "");
  scanner_.leak(kFirst);
  EXPECT_EQ(ask("scan").error, 0);
  EXPECT_EQ(listed(), (Strings{"0xffff888100000000"}));
  EXPECT_NE(log_.text().find("kmemleak: 1 new suspected memory leaks (see /x/kmemleak)"), std::string::npos);
  scanner_.leak(kSecond);
  ask("scan");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000000", "0xffff888100000040"}));
  EXPECT_TRUE(has_status("new in the last scan: 1"));
  ask("scan");
  EXPECT_TRUE(has_status("new in the last scan: 0"));
  EXPECT_TRUE(has_status("leaks listed: 2"));
  EXPECT_TRUE(has_status("scans: 3"));
}

TEST_F(WatchmanTest, ClearEmptiesTheFile_WhatLeaksLaterIsListedAlone_ForgetBringsAllBack) {
  scanner_.leak(kFirst);
  ask("scan");
  EXPECT_EQ(ask("clear").error, 0);
  EXPECT_EQ(file(), "");
  EXPECT_EQ(watchman_->leaks_json().find("0xffff888100000000"), std::string::npos);
  scanner_.leak(kSecond);
  ask("scan");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000040"}));
  EXPECT_TRUE(has_status("cleared: 1"));
  ask("forget");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000040"}));
  ask("scan");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000000", "0xffff888100000040"}));
  EXPECT_TRUE(has_status("cleared: 0"));
}

TEST_F(WatchmanTest, ClearDoesNotTouchWhatWasNeverReported) {
  scanner_.leak(kFirst);
  ask("clear");
  ask("scan");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000000"}));
}

TEST_F(WatchmanTest, WhatIsReferencedAgainIsNotListed_AndIsNotNewWhenItComesBack) {
  scanner_.leak(kFirst);
  scanner_.leak(kSecond);
  ask("scan");
  scanner_.hold(kFirst);
  ask("scan");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000040"}));
  scanner_.leak(kFirst);
  ask("scan");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000000", "0xffff888100000040"}));
  EXPECT_TRUE(has_status("new in the last scan: 0"));
}

TEST_F(WatchmanTest, WhatWasFreedIsForgotten_AlsoWhenItWasCleared) {
  scanner_.leak(kFirst);
  ask("scan");
  ask("clear");
  scanner_.free(kFirst);
  ask("scan");
  EXPECT_TRUE(has_status("cleared: 0"));
}

TEST_F(WatchmanTest, TheSettingsReachTheScan) {
  ask("stack=off");
  ask("age=7");
  ask("scan");
  EXPECT_FALSE(scanner_.last.stacks);
  EXPECT_EQ(scanner_.last.min_age_s, 7);
  ask("stack=on");
  ask("age=0");
  ask("scan");
  EXPECT_TRUE(scanner_.last.stacks);
  EXPECT_EQ(scanner_.last.min_age_s, 0);
}

TEST_F(WatchmanTest, AutomaticScansBeginAtOnceWhenTheyAreSwitchedOn_AndStayOffOtherwise) {
  scanner_.leak(kFirst);
  ask("scan=off");
  EXPECT_TRUE(has_status("automatic scans: off"));
  EXPECT_EQ(scanner_.scans, 0);
  ask("scan=on");
  for (int i = 0; i < 10'000 && scanner_.scans == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(listed(), (Strings{"0xffff888100000000"}));
  EXPECT_NE(log_.text().find("kmemleak: Automatic memory scanning thread ended"), std::string::npos);
  EXPECT_NE(log_.text().find("kmemleak: Automatic memory scanning thread started"), std::string::npos);
}

TEST_F(WatchmanTest, APeriodIsSet_ZeroStopsAndLeavesIt_ABadOneChangesNothing) {
  ask("scan=30");
  EXPECT_TRUE(has_status("period: 30 s"));
  EXPECT_TRUE(has_status("automatic scans: on"));
  ask("scan=0");
  EXPECT_TRUE(has_status("period: 30 s"));
  EXPECT_TRUE(has_status("automatic scans: off"));
  ask("scan=0x1z");
  EXPECT_TRUE(has_status("period: 30 s"));
  EXPECT_TRUE(has_status("automatic scans: off"));
}

TEST_F(WatchmanTest, AScanWhoseAskerIsGoneEndsWithoutAReport_AndWithoutAnError) {
  scanner_.leak(kFirst);
  scanner_.seconds = 1000;
  Asked scan = post("scan");
  wait_for_scan();
  scan.ticket->cancel();
  EXPECT_EQ(wait(std::move(scan.answer)).error, 0);
  EXPECT_EQ(file(), "");
  EXPECT_TRUE(has_status("scans: 0"));
}

TEST_F(WatchmanTest, WhoWaitsForAScanCanGoAway_AndWhatHeAskedIsNotDone) {
  scanner_.seconds = 1000;
  Asked scan = post("scan");
  wait_for_scan();
  EXPECT_TRUE(has_status("scanning: yes"));
  Asked off = post("off");
  off.ticket->cancel();
  EXPECT_EQ(wait(std::move(off.answer)).error, EINTR);
  scan.ticket->cancel();
  EXPECT_EQ(wait(std::move(scan.answer)).error, 0);
  EXPECT_TRUE(has_status("state: on"));
}

TEST_F(WatchmanTest, WhenItEndsAScanEnds_AndWhoWaitsIsTold) {
  scanner_.seconds = 1000;
  Asked scan = post("scan"), clear = post("clear");
  wait_for_scan();
  watchman_->stop();
  EXPECT_EQ(wait(std::move(scan.answer)).error, 0);
  EXPECT_EQ(wait(std::move(clear.answer)).error, EINTR);
}

TEST_F(WatchmanTest, AScanThatFailsSaysWhy_AndTheNextOneGoesOn) {
  scanner_.leak(kFirst);
  scanner_.fail(Error(ErrorCode::Io, "the kernel is not at home"));
  EXPECT_EQ(ask("scan").error, EIO);
  EXPECT_TRUE(has_status("last scan failed: the kernel is not at home"));
  EXPECT_EQ(ask("scan").error, 0);
  EXPECT_FALSE(has_status("last scan failed: the kernel is not at home"));
}

TEST_F(WatchmanTest, ADaemonThatIsStartedAgainKnowsWhatWasReportedAndCleared) {
  for (Addr address : {kFirst, kSecond}) scanner_.leak(address);
  ask("scan");
  ask("clear");
  scanner_.leak(kThird);
  ask("scan");
  ask("scan=off");
  ask("stack=off");
  end();
  start();
  EXPECT_EQ(file(), "");  // until a scan has seen that it is still so
  EXPECT_TRUE(has_status("cleared: 2"));
  EXPECT_TRUE(has_status("automatic scans: off"));
  EXPECT_TRUE(has_status("stack scanning: off"));
  ask("scan");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000080"}));
  EXPECT_TRUE(has_status("new in the last scan: 0"));
}

TEST_F(WatchmanTest, WhatWasSaidOfTimesHoldsForADaemonThatIsStartedAgain_UnlessItsCommandLineSaysOtherwise) {
  ask("scan=30");
  ask("age=1");
  end();
  start();
  EXPECT_TRUE(has_status("period: 30 s"));
  EXPECT_TRUE(has_status("minimum age: 1 s"));
  end();
  start(
      {.settings = {.period_ms = 5000, .min_age_s = 9}, .is_period_fixed = true, .is_min_age_fixed = true, .first_scan_s = 1000});
  EXPECT_TRUE(has_status("period: 5 s"));
  EXPECT_TRUE(has_status("minimum age: 9 s"));
}

TEST_F(WatchmanTest, OffIsNotForEver_AndWhatWasListedStays) {
  scanner_.leak(kFirst);
  ask("scan");
  ask("off");
  EXPECT_EQ(listed(), (Strings{"0xffff888100000000"}));
  ask("on");
  EXPECT_EQ(ask("scan").error, 0);
  EXPECT_EQ(listed(), (Strings{"0xffff888100000000"}));
}

TEST_F(WatchmanTest, DumpGoesToTheLogAndToWhoAsked_AsKmemleakWritesIt) {
  scanner_.leak(kFirst, 64, 0xed65d963);
  ask("scan");
  std::string text = ask("dump=0xffff888100000010").text;
  EXPECT_EQ(text,
            "kmemleak: Object 0xffff888100000000 (size 64):\n"
            "kmemleak:   comm \"unknown\", pid 0, jiffies 0\n"
            "kmemleak:   min_count = 1\n"
            "kmemleak:   count = 0\n"
            "kmemleak:   flags = 0x3\n"
            "kmemleak:   checksum = 3982874979\n"
            "kmemleak:   backtrace:\n");
  EXPECT_NE(log_.text().find("kmemleak:   flags = 0x3\n"), std::string::npos);
  ask("dump=0x1234");
  EXPECT_NE(log_.text().find("kmemleak: Unknown object at 0x00001234\n"), std::string::npos);
}

}  // namespace
}  // namespace orphan::serve
