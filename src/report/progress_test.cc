// SPDX-License-Identifier: Apache-2.0
#include "report/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>

#include <limits>

#include "base/fd.h"

namespace orphan {
namespace {

// A terminal whose screen side a test can read, and a clock that a test sets.
class ProgressTest : public testing::Test {
 protected:
  void SetUp() override {
    int screen;
    int terminal;
    winsize size{.ws_row = 24, .ws_col = 40, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::openpty(&screen, &terminal, nullptr, nullptr, &size), 0);
    screen_ = Fd(screen);
    terminal_ = Fd(terminal);
    ASSERT_EQ(::fcntl(screen, F_SETFL, O_NONBLOCK), 0);
    ::setenv("TERM", "xterm", 1);
  }

  std::string drawn() {
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = ::read(screen_.value(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }

  Progress progress() {
    return Progress(terminal_.value(), [this] { return Progress::Time(std::chrono::milliseconds(now_ms_)); });
  }

  i64 now_ms_ = 1'000'000;
  Fd screen_;
  Fd terminal_;
};

constexpr std::string_view kEmptyLine = "\r\x1b[K";

std::string line(std::string_view text) {
  return std::string(kEmptyLine) + std::string(text);
}

TEST_F(ProgressTest, ShowsAStepAndClearsItsLineAtTheEnd) {
  {
    Progress shown = progress();
    shown.step("pass 2 of 5: reading", 0.42);
    EXPECT_EQ(drawn(), line("pass 2 of 5: reading 42%"));
  }
  EXPECT_EQ(drawn(), kEmptyLine);
}

TEST_F(ProgressTest, WritesNothingWhereNothingWasShown) {
  {
    Progress shown = progress();
  }
  EXPECT_EQ(drawn(), "");
}

TEST_F(ProgressTest, WritesNothingIntoAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  {
    Progress shown(writer.value());
    shown.step("working");
  }
  char byte;
  EXPECT_EQ(::read(reader.value(), &byte, 1), -1);
}

TEST_F(ProgressTest, WritesNothingToATerminalThatKnowsNoEscapes) {
  ::setenv("TERM", "dumb", 1);
  Progress shown = progress();
  shown.step("working");
  EXPECT_EQ(drawn(), "");
}

TEST_F(ProgressTest, AFractionIsRedrawnAfterATenthOfASecond) {
  Progress shown = progress();
  shown.step("working", 0.1);
  now_ms_ += 99;
  shown.step("working", 0.2);
  EXPECT_EQ(drawn(), line("working 10%"));
  now_ms_ += 1;
  shown.step("working", 0.3);
  EXPECT_EQ(drawn(), line("working 30%"));
}

TEST_F(ProgressTest, ANewTextComesAtOnce_ButNoMoreThanTenInASecond) {
  Progress shown = progress();
  for (int i = 0; i < 1000; ++i) {
    shown.step("step " + std::to_string(i));
    ++now_ms_;
  }
  std::string expected;
  for (int i = 0; i < 10; ++i) expected += line("step " + std::to_string(i));
  EXPECT_EQ(drawn(), expected);
  shown.step("later");
  EXPECT_EQ(drawn(), line("later"));
}

TEST_F(ProgressTest, AfterClearTheSameStepIsDrawnAgain) {
  Progress shown = progress();
  shown.step("working");
  shown.clear();
  shown.step("working");
  EXPECT_EQ(drawn(), line("working") + std::string(kEmptyLine) + line("working"));
}

TEST_F(ProgressTest, ALineNeverReachesTheLastColumn) {
  Progress shown = progress();
  shown.step(std::string(100, 'x'));
  EXPECT_EQ(drawn(), line(std::string(39, 'x')));
}

TEST_F(ProgressTest, HostileTextAndOddFractionsAreHarmless) {
  Progress shown = progress();
  shown.step("a\x1b[2J\n", 7.0);
  EXPECT_EQ(drawn(), line("a\\x1b[2J\\n 100%"));
  shown.step("b", -1.0);
  shown.step("c", std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(drawn(), line("b 0%") + line("c 0%"));
}

}  // namespace
}  // namespace orphan
