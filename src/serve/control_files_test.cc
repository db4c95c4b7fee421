// SPDX-License-Identifier: Apache-2.0
// A real file system of a real kernel: that of the machine that the test runs on.
#include "serve/control_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/fd.h"
#include "serve/fake_scanner.h"

namespace orphan::serve {
namespace {

constexpr Addr kFirst{0xffff888100000000};

class ControlFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0)
      GTEST_SKIP() << "only root can mount, and only where there is FUSE";
    std::filesystem::create_directories(directory_);
    auto guard = Guard::start();
    ASSERT_TRUE(guard) << guard.error().text();
    guard_.emplace(std::move(*guard));
    auto state = StateFile::open(directory_ + "/state", "boot", [](const std::string&) {});
    ASSERT_TRUE(state) << state.error().text();
    state_.emplace(std::move(*state));
    watchman_.emplace(scanner_, *state_, log_, Watchman::Options{.first_scan_s = 1000});
    mailbox_.emplace(std::move(*Mailbox::create()));
    mount();
    watchman_->start();
    server_ = std::thread([this] { serve(); });
  }
  void TearDown() override {
    is_ending_ = true;
    if (server_.joinable()) server_.join();
    if (watchman_) watchman_->stop();
    if (mailbox_) mailbox_->empty();
    files_.reset();
    guard_.reset();
    EXPECT_FALSE(is_dead_mount(mount_));
    std::filesystem::remove_all(directory_);
  }

  void mount() {
    auto files = ControlFiles::mount({.mount_point = mount_}, *watchman_, log_, *mailbox_, *guard_);
    if (!files) GTEST_SKIP() << "this machine does not let us mount: " << files.error().text();
    files_ = std::move(*files);
  }
  void serve() {
    while (!is_ending_ && !is_unmounted_) {
      std::array<pollfd, 2> descriptors{{{files_->descriptor(), POLLIN, 0}, {mailbox_->descriptor(), POLLIN, 0}}};
      ::poll(descriptors.data(), descriptors.size(), 20);
      if (descriptors[1].revents != 0) mailbox_->empty();
      if (descriptors[0].revents != 0 && !files_->take_request()) is_unmounted_ = true;
    }
  }

  std::string path(const std::string& name = "kmemleak") const { return mount_ + "/kernel/" + name; }
  // The error of the write; 0: none.
  int write(const std::string& words) const {
    Fd file(::open(path().c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    EXPECT_GE(file.value(), 0);
    ssize_t size = ::write(file.value(), words.data(), words.size());
    if (size < 0) return errno;
    EXPECT_EQ(static_cast<std::size_t>(size), words.size());
    return 0;
  }
  // The text, read in pieces of so many bytes.
  static std::string read_in(int file, std::size_t piece) {
    std::string text;
    std::string buffer(piece, '\0');
    for (ssize_t size = 0; (size = ::read(file, buffer.data(), piece)) > 0;)
      text.append(buffer, 0, static_cast<std::size_t>(size));
    return text;
  }
  std::string read(const std::string& name = "kmemleak", std::size_t piece = 65536) const {
    Fd file(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_GE(file.value(), 0);
    return read_in(file.value(), piece);
  }

  std::string directory_ = (std::filesystem::temp_directory_path() / ("files-test-" + std::to_string(::getpid()))).string();
  std::string mount_ = directory_ + "/mount";
  std::optional<Guard> guard_;
  FakeScanner scanner_;
  Log log_;
  std::optional<StateFile> state_;
  std::optional<Watchman> watchman_;
  std::optional<Mailbox> mailbox_;
  std::unique_ptr<ControlFiles> files_;
  std::atomic<bool> is_ending_ = false, is_unmounted_ = false;
  std::thread server_;
};

TEST_F(ControlFilesTest, FourFilesAreThere_OfRootAlone) {
  std::map<std::string, unsigned> modes;
  for (const auto& entry : std::filesystem::directory_iterator(mount_ + "/kernel")) {
    struct stat status{};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 0U);
    modes[entry.path().filename()] = status.st_mode & 0777U;
  }
  EXPECT_EQ(modes, (std::map<std::string, unsigned>{{"kmemleak", 0600}, {"leaks.json", 0400}, {"status", 0400}, {"log", 0400}}));
  EXPECT_FALSE(std::filesystem::exists(mount_ + "/kmemleak"));
  EXPECT_FALSE(std::filesystem::exists(path("nothing")));
  EXPECT_EQ(::chmod(path().c_str(), 0666), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(ControlFilesTest, AWordIsDoneWhenItsWriteReturns_AWrongOneIsRefused) {
  scanner_.leak(kFirst);
  EXPECT_EQ(read(), "");
  EXPECT_EQ(write("scan\n"), 0);
  EXPECT_NE(read().find("unreferenced object 0xffff888100000000 (size 64):\n"), std::string::npos);
  EXPECT_EQ(write("nonsense"), EINVAL);
  EXPECT_EQ(write("scan=99999999999"), ERANGE);
  EXPECT_EQ(write("off"), 0);
  EXPECT_EQ(write("scan"), EPERM);
  EXPECT_EQ(write("clear"), 0);
  EXPECT_EQ(read(), "");
}

TEST_F(ControlFilesTest, OfALongWriteTheBeginningCounts_AndItIsOneCommand) {
  EXPECT_EQ(write("scan" + std::string(3 << 20, ' ')), 0);
  EXPECT_EQ(scanner_.scans, 1);
  EXPECT_EQ(write(std::string(1 << 20, 'j')), EINVAL);
}

TEST_F(ControlFilesTest, InPiecesOfAnyLengthATextIsTheSame_AlsoWhenItChangesMeanwhile) {
  for (u64 i = 0; i < 20; ++i) scanner_.leak(kFirst + 64 * i);
  write("scan");
  std::string whole = read();
  for (std::size_t piece : std::initializer_list<std::size_t>{1, 7, 100, 4096})
    EXPECT_EQ(read("kmemleak", piece), whole) << piece;
  Fd file(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
  std::string first(100, '\0');
  ASSERT_EQ(::read(file.value(), first.data(), first.size()), 100);
  write("clear");
  EXPECT_EQ(first + read_in(file.value(), 50), whole);
  std::string part(10, '\0');
  EXPECT_EQ(::pread(file.value(), part.data(), part.size(), 200), 10);
  EXPECT_EQ(part, whole.substr(200, 10));
  // From the beginning it is the text of now.
  ASSERT_EQ(::lseek(file.value(), 0, SEEK_SET), 0);
  EXPECT_EQ(read_in(file.value(), 50), "");
}

TEST_F(ControlFilesTest, StatusLogAndReportDoNotWaitForAScan_TheListDoes) {
  scanner_.leak(kFirst);
  scanner_.seconds = 2;
  std::thread writer([&] { write("scan"); });
  for (int i = 0; i < 10'000 && !scanner_.is_waiting; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_NE(read("status").find("scanning: yes\n"), std::string::npos);
  EXPECT_EQ(read("leaks.json"), "null\n");
  EXPECT_EQ(read("log"), "");
  EXPECT_TRUE(scanner_.is_waiting);
  EXPECT_NE(read().find("unreferenced object"), std::string::npos);
  EXPECT_FALSE(scanner_.is_waiting);
  writer.join();
  EXPECT_NE(read("log").find("1 new suspected memory leaks"), std::string::npos);
}

TEST_F(ControlFilesTest, ASignalEndsTheScanOfAWriter_WhichSucceedsAllTheSame) {
  scanner_.leak(kFirst);
  scanner_.seconds = 1000;
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  std::atomic<int> error = -1;
  std::thread writer([&] { error = write("scan"); });
  for (int i = 0; i < 10'000 && !scanner_.is_waiting; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::pthread_kill(writer.native_handle(), SIGUSR1);
  writer.join();
  EXPECT_EQ(error, 0);
  EXPECT_EQ(read(), "");
}

TEST_F(ControlFilesTest, WhereOneIsMountedNoSecondOneIs) {
  auto second = ControlFiles::mount({.mount_point = mount_}, *watchman_, log_, *mailbox_, *guard_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("--mount"), std::string::npos) << second.error().text();
}

TEST_F(ControlFilesTest, TheFileCanCoverAnother_WhichMustBeAFile) {
  std::string place = directory_ + "/place";
  std::ofstream(place) << "the kernel's own";
  ASSERT_TRUE(bind_over(path(), place, *guard_));
  EXPECT_EQ(read(), "");
  std::ofstream(place) << "scan" << std::flush;
  EXPECT_EQ(scanner_.scans, 1);
  auto missing = bind_over(path(), directory_ + "/missing", *guard_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  EXPECT_NE(missing.error().text().find(path()), std::string::npos);
  EXPECT_FALSE(bind_over(path(), directory_, *guard_));
}

TEST_F(ControlFilesTest, ThatItWasUnmountedIsNoticed) {
  ASSERT_EQ(::umount2(mount_.c_str(), MNT_DETACH), 0);
  for (int i = 0; i < 5000 && !is_unmounted_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(is_unmounted_);
}

}  // namespace
}  // namespace orphan::serve
