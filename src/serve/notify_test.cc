// SPDX-License-Identifier: Apache-2.0
#include "serve/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "serve/in_child.h"
#include "serve/sandbox.h"

namespace orphan::serve {
namespace {

class NotifyTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/orphan-notify-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    clear();
  }
  void TearDown() override {
    clear();
    std::filesystem::remove_all(directory_);
  }
  static void clear() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }

  // The manager's end; `name` is as in the environment.
  void listen(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_LT(name.size(), sizeof address.sun_path);
    name.copy(address.sun_path, name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    manager_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    ASSERT_EQ(::bind(manager_.value(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  // What has come; "": nothing.
  std::string received() const {
    char text[256];
    ssize_t size = ::recv(manager_.value(), text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
  }

  std::string directory_;
  Fd manager_;
};

void expect_sends_all(const Notifier& notifier, const std::function<std::string()>& received) {
  EXPECT_TRUE(notifier.ready("watching"));
  EXPECT_EQ(received(), "READY=1\nSTATUS=watching");
  EXPECT_TRUE(notifier.status("3 leaks"));
  EXPECT_EQ(received(), "STATUS=3 leaks");
  EXPECT_TRUE(notifier.stopping("unmounting"));
  EXPECT_EQ(received(), "STOPPING=1\nSTATUS=unmounting");
}

TEST_F(NotifyTest, TheManagerIsToldOverAPathAndOverAnAbstractName) {
  for (const std::string& name : {directory_ + "/socket", "@orphan-notify-test-" + std::to_string(::getpid())}) {
    listen(name);
    auto notifier = Notifier::from_environment();
    ASSERT_TRUE(notifier) << notifier.error().text();
    expect_sends_all(*notifier, [this] { return received(); });
    EXPECT_EQ(received(), "");
  }
}

TEST_F(NotifyTest, InTheSandboxTheManagerIsToldToo) {
  listen(directory_ + "/socket");
  EXPECT_EQ(in_child([&] {
              auto notifier = Notifier::from_environment();
              ASSERT_TRUE(notifier && enter_sandbox({}));
              expect_sends_all(*notifier, [this] { return received(); });
            }),
            0);
}

TEST_F(NotifyTest, WithoutAManagerNothingHappens) {
  ::setenv("WATCHDOG_USEC", "1000000", 1);
  auto notifier = Notifier::from_environment();
  ASSERT_TRUE(notifier);
  EXPECT_TRUE(notifier->ready("") && notifier->status("") && notifier->stopping("") && notifier->alive());
  EXPECT_FALSE(notifier->watchdog_period_s());
}

TEST_F(NotifyTest, AStatusStaysOneLine) {
  listen(directory_ + "/socket");
  EXPECT_TRUE(Notifier::from_environment()->status("one\nREADY=1\ttwo \xc3\xa4"));
  EXPECT_EQ(received(), "STATUS=one READY=1 two \xc3\xa4");
}

TEST_F(NotifyTest, TheWatchdogIsFedWhenItIsOursAndOnlyThen) {
  listen(directory_ + "/socket");
  struct Case {
    const char* period_us;
    std::string pid;
    std::optional<double> expected;
  };
  std::string own = std::to_string(::getpid());
  for (const Case& c : {Case{nullptr, "", std::nullopt}, Case{"3000000", "", 1.5}, Case{"3000000", own, 1.5},
                        Case{"3000000", own + "0", std::nullopt}, Case{nullptr, own, std::nullopt}}) {
    ::unsetenv("WATCHDOG_USEC");
    if (c.period_us != nullptr) ::setenv("WATCHDOG_USEC", c.period_us, 1);
    ::setenv("WATCHDOG_PID", c.pid.c_str(), 1);
    auto notifier = Notifier::from_environment();
    ASSERT_TRUE(notifier);
    EXPECT_EQ(notifier->watchdog_period_s(), c.expected);
    EXPECT_TRUE(notifier->alive());
    EXPECT_EQ(received(), c.expected ? "WATCHDOG=1" : "");
  }
}

TEST_F(NotifyTest, WhatIsWrongInTheEnvironmentIsNamed) {
  std::string longest = "/" + std::string(106, 'x');
  ::setenv("NOTIFY_SOCKET", longest.c_str(), 1);
  EXPECT_TRUE(Notifier::from_environment());
  for (const std::string& name :
       {longest + "x", std::string("relative"), std::string("/"), std::string("@"), std::string("vsock:2:1")}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    auto notifier = Notifier::from_environment();
    ASSERT_FALSE(notifier) << name;
    EXPECT_EQ(notifier.error().text(), "$NOTIFY_SOCKET: '" + name + "' is neither a path nor @NAME, of 107 characters at most");
  }
  ::setenv("NOTIFY_SOCKET", "@x", 1);
  for (const char* number : {"0", "-1", "1s", " 1", "99999999999999999999"}) {
    ::setenv("WATCHDOG_USEC", number, 1);
    auto notifier = Notifier::from_environment();
    ASSERT_FALSE(notifier) << number;
    EXPECT_EQ(notifier.error().text(), std::string("$WATCHDOG_USEC: '") + number + "' is no number from 1 on");
  }
}

TEST_F(NotifyTest, AManagerThatIsGoneIsAnErrorAndNoMore) {
  listen(directory_ + "/socket");
  auto notifier = Notifier::from_environment();
  ASSERT_TRUE(notifier);
  std::filesystem::remove(directory_ + "/socket");
  auto sent = notifier->status("x");
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().text(), "$NOTIFY_SOCKET, " + directory_ + "/socket: No such file or directory");
}

}  // namespace
}  // namespace orphan::serve
