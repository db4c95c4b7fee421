// SPDX-License-Identifier: Apache-2.0
#include "serve/socket.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <future>

#include "serve/fake_scanner.h"

namespace orphan::serve {
namespace {

class SocketTest : public testing::Test {
 protected:
  SocketTest() {
    std::filesystem::create_directories(directory_);
    auto state = StateFile::open(directory_, "boot", [](const std::string&) {});
    state_.emplace(std::move(*state));
    watchman_.emplace(scanner_, *state_, log_, Watchman::Options{.first_scan_s = 1000});
    watchman_->start();
    mailbox_.emplace(std::move(*Mailbox::create()));
  }
  ~SocketTest() override {
    watchman_.reset();
    socket_.reset();
    std::filesystem::remove_all(directory_);
  }

  void listen(std::optional<gid_t> group = {}) {
    auto socket = CommandSocket::listen(path_, group, *watchman_, *mailbox_);
    ASSERT_TRUE(socket) << socket.error().text();
    socket_ = std::move(*socket);
  }
  // Serves until `is_done`.
  template <typename Done>
  void serve_until(Done is_done) {
    for (int i = 0; i < 6000 && !is_done(); ++i) {
      std::vector<pollfd> descriptors{{.fd = mailbox_->descriptor(), .events = POLLIN, .revents = 0}};
      socket_->add_to(descriptors);
      ::poll(descriptors.data(), descriptors.size(), 10);
      if (descriptors[0].revents != 0) mailbox_->empty();
      socket_->take(descriptors);
    }
    EXPECT_TRUE(is_done());
  }
  Result<Answer> ask(const std::string& words) {
    auto asked = std::async(std::launch::async, [&] { return ask_daemon(path_, words); });
    serve_until([&] { return asked.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    return asked.get();
  }
  Fd connect() const {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(::connect(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }

  std::string directory_ = (std::filesystem::temp_directory_path() / ("socket-test-" + std::to_string(::getpid()))).string();
  std::string path_ = directory_ + "/socket";
  FakeScanner scanner_;
  Log log_;
  std::optional<StateFile> state_;
  std::optional<Watchman> watchman_;
  std::optional<Mailbox> mailbox_;
  std::unique_ptr<CommandSocket> socket_;
};

TEST_F(SocketTest, WordsAreAnswered_WithTheirErrorOrTheirText) {
  listen();
  auto status = ask("status");
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_EQ(status->error, 0);
  EXPECT_NE(status->text.find("target: kernel 6.1.0-fake\n"), std::string::npos);
  EXPECT_EQ(ask("scan=junk")->error, EINVAL);
  EXPECT_EQ(ask("")->error, EINVAL);
  EXPECT_EQ(ask(std::string(1 << 20, 'x'))->error, EINVAL);
}

TEST_F(SocketTest, WhereNobodyListensTheErrorSaysWhatToDo) {
  auto answer = ask_daemon(path_, "status");
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().text().find("orphan serve"), std::string::npos) << answer.error().text();
  EXPECT_FALSE(ask_daemon(std::string(200, 'x'), "status"));
}

TEST_F(SocketTest, OneThatADaemonLeftBehindIsReplaced_OneThatIsAliveIsNot) {
  listen();
  auto second = CommandSocket::listen(path_, {}, *watchman_, *mailbox_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("--socket"), std::string::npos) << second.error().text();
  EXPECT_EQ(ask("status")->error, 0);
  // As after the end of a daemon that had no time to remove it.
  std::string left = directory_ + "/left";
  std::filesystem::create_hard_link(path_, left);
  socket_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
  std::filesystem::rename(left, path_);
  listen();
  EXPECT_EQ(ask("status")->error, 0);
}

TEST_F(SocketTest, AFileInItsPlaceIsNotTouched) {
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(CommandSocket::listen(path_, {}, *watchman_, *mailbox_));
  EXPECT_TRUE(std::filesystem::is_directory(path_));
}

TEST_F(SocketTest, OnlyItsOwnerMayUseIt_OrAGroup) {
  listen();
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files to a group";
  socket_.reset();
  listen(12);
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0660U);
  EXPECT_EQ(status.st_gid, 12U);
}

TEST_F(SocketTest, AScanEndsWhenWhoAskedForItGoesAway) {
  listen();
  scanner_.seconds = 1000;
  {
    Fd client = connect();
    ASSERT_EQ(::send(client.value(), "scan", 4, 0), 4);
    ::shutdown(client.value(), SHUT_WR);
    serve_until([&] { return scanner_.is_waiting.load(); });
  }
  serve_until([&] { return scanner_.scans == 1; });
  EXPECT_EQ(ask("status")->error, 0);
}

TEST_F(SocketTest, WhoSaysNothingKeepsNobodyWaiting) {
  listen();
  std::vector<Fd> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(connect());
  EXPECT_EQ(ask("status")->error, 0);
}

}  // namespace
}  // namespace orphan::serve
