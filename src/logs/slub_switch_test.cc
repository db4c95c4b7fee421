// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_switch.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

namespace orphan::logs {
namespace {

class SlubSwitchTest : public testing::Test {
 protected:
  SlubSwitchTest() {
    std::string name = (std::filesystem::temp_directory_path() / "slub-switch-XXXXXX").native();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = name + "/trace";
    std::ofstream(path_) << "0\n";
  }
  ~SlubSwitchTest() override { std::filesystem::remove_all(directory_); }

  std::string text() const { return read_file(path_).take(); }
  // Another process's work.
  bool becomes(const std::string& expected) const {
    for (int i = 0; i < 1000 && text() != expected; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return text() == expected;
  }

  std::string directory_, path_;
};

TEST_F(SlubSwitchTest, ItIsOnWhileTheObjectLives) {
  {
    auto on = SlubSwitch::switch_on(path_, "kmalloc-64");
    ASSERT_TRUE(on) << on.error().text();
    EXPECT_EQ(text(), "1");
  }
  EXPECT_EQ(text(), "0");
}

TEST_F(SlubSwitchTest, AKilledProcessLeavesItOff) {
  for (int signal : {SIGKILL, SIGTERM, SIGINT, SIGSEGV}) {
    pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      auto on = SlubSwitch::switch_on(path_, "kmalloc-64");
      // The signal shall end it, as it is. A sanitizer has a handler for some.
      if (signal != SIGKILL) ::signal(signal, SIG_DFL);
      if (on) ::pause();
      ::_exit(1);
    }
    ASSERT_TRUE(becomes("1")) << signal;
    ASSERT_EQ(::kill(pid, signal), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(becomes("0")) << signal;
  }
}

TEST_F(SlubSwitchTest, WhatCannotBeWrittenIsRefusedWithTheBootParameter) {
  ASSERT_EQ(::chmod(path_.c_str(), 0400), 0);
  auto on = SlubSwitch::switch_on(path_, "kmalloc-64");
  ASSERT_FALSE(on);
  EXPECT_EQ(on.error().code(), ErrorCode::Unsupported);
  EXPECT_NE(on.error().text().find("slub_debug=T,kmalloc-64"), std::string::npos) << on.error().text();
}

TEST_F(SlubSwitchTest, ACacheThatIsNotThereIsSaidSo) {
  auto on = SlubSwitch::switch_on(directory_ + "/none", "none");
  ASSERT_FALSE(on);
  EXPECT_NE(on.error().text().find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace orphan::logs
