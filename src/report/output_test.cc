// SPDX-License-Identifier: Apache-2.0
#include "report/output.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>
#include <thread>

#include "base/fd.h"

namespace orphan {
namespace {

// An empty directory for each test.
class Output : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/orphan-output-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    for (const std::string& name : names()) ::unlink((directory_ + "/" + name).c_str());
    ::rmdir(directory_.c_str());
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::set<std::string> names() const {
    std::set<std::string> found;
    DIR* directory = ::opendir(directory_.c_str());
    if (directory == nullptr) return found;
    while (dirent* entry = ::readdir(directory)) found.insert(entry->d_name);
    ::closedir(directory);
    found.erase(".");
    found.erase("..");
    return found;
  }

  static std::string contents(const std::string& name) {
    Result<std::string> text = read_file(name);
    return text ? *text : "cannot read: " + text.error().text();
  }

 private:
  std::string directory_;
};

using Names = std::set<std::string>;

// Standard output goes to `fd` while it lives.
class StdoutTo {
 public:
  explicit StdoutTo(int fd) : before_(::dup(STDOUT_FILENO)) {
    std::fflush(stdout);
    ::dup2(fd, STDOUT_FILENO);
  }
  StdoutTo(const StdoutTo&) = delete;
  StdoutTo& operator=(const StdoutTo&) = delete;
  ~StdoutTo() { ::dup2(before_.value(), STDOUT_FILENO); }

 private:
  Fd before_;
};

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  Fd reader;
  Fd writer;
};

std::string read_to_end(int fd) {
  std::string text;
  char buffer[1000];
  for (;;) {
    ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return text;
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    if (got < 0 && errno != EINTR) return "read failed";
  }
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i) + '\n';
  return text;
}

TEST_F(Output, WritesAWholeFileThatOnlyItsOwnerReads) {
  ASSERT_TRUE(write_output(path("report"), "text\n"));
  EXPECT_EQ(contents(path("report")), "text\n");
  struct stat status;
  ASSERT_EQ(::stat(path("report").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(names(), Names{"report"});
}

TEST_F(Output, ReplacesAnOldFile) {
  ASSERT_TRUE(write_output(path("report"), "a long old text\n"));
  ASSERT_TRUE(write_output(path("report"), "new\n"));
  EXPECT_EQ(contents(path("report")), "new\n");
}

TEST_F(Output, ALinkIsReplacedAndNotFollowed) {
  ASSERT_TRUE(write_output(path("precious"), "precious\n"));
  ASSERT_EQ(::symlink("precious", path("report").c_str()), 0);
  ASSERT_TRUE(write_output(path("report"), "new\n"));
  EXPECT_EQ(contents(path("report")), "new\n");
  EXPECT_EQ(contents(path("precious")), "precious\n");
}

TEST_F(Output, AFileSizeLimitLeavesTheOldFileAndNothingElse) {
  ASSERT_TRUE(write_output(path("report"), "old\n"));
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  Result<void> result = write_output(path("report"), std::string(65536, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find(path("report")), std::string::npos);
  EXPECT_NE(result.error().text().find("ulimit -f"), std::string::npos);
  EXPECT_EQ(contents(path("report")), "old\n");
  EXPECT_EQ(names(), Names{"report"});
}

TEST_F(Output, AFailedRenameLeavesNothing) {
  // The name is too long for a file, the temporary one is not.
  Result<void> result = write_output(path(std::string(300, 'x')), "text");
  ASSERT_FALSE(result);
  EXPECT_EQ(names(), Names{});
}

TEST_F(Output, AMissingDirectoryIsNamedWithItsRemedy) {
  Result<void> result = write_output(path("nowhere/report"), "text");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::NotFound);
  EXPECT_EQ(result.error().text(),
            "cannot write the report to " + path("nowhere/report") + ": No such file or directory; create its directory first");
}

TEST_F(Output, ADirectoryIsNoPlaceForAReport) {
  Result<void> result = write_output(path(""), "text");
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("Is a directory; name a file in an existing directory"), std::string::npos);
}

TEST_F(Output, ADirectoryWithoutPermissionIsAnError) {
  // Not even root may create a file in sysfs.
  Result<void> result = write_output("/sys/orphan-report", "text");
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("a directory that you may write to"), std::string::npos) << result.error().text();
}

TEST_F(Output, AFullDeviceIsAnErrorAndStaysADevice) {
  Result<void> result = write_output("/dev/full", "text");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text(),
            "cannot write the report to /dev/full: No space left on device; make room there or name another file");
  struct stat status;
  ASSERT_EQ(::stat("/dev/full", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
}

TEST_F(Output, AFifoIsWrittenToAndStaysAFifo) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  std::string text = long_text();
  std::string got;
  std::thread reader([&] { got = contents(path("fifo")); });
  Result<void> result = write_output(path("fifo"), text);
  reader.join();
  ASSERT_TRUE(result);
  EXPECT_EQ(got, text);
  struct stat status;
  ASSERT_EQ(::stat(path("fifo").c_str(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

TEST_F(Output, AnOpenFileOfOursIsContinuedAndNotReplaced) {
  Result<Fd> file = open_file(path("log"), O_WRONLY | O_CREAT);
  ASSERT_TRUE(file);
  std::string open_path = "/dev/fd/" + std::to_string((*file).value());
  ASSERT_EQ(::symlink(open_path.c_str(), path("link").c_str()), 0);
  ASSERT_EQ(::write((*file).value(), "a\n", 2), 2);
  ASSERT_TRUE(write_output(open_path, "b\n"));
  ASSERT_TRUE(write_output(path("link"), "c\n"));
  ASSERT_EQ(::write((*file).value(), "d\n", 2), 2);
  EXPECT_EQ(contents(path("log")), "a\nb\nc\nd\n");
  EXPECT_EQ(names(), (Names{"link", "log"}));
}

TEST_F(Output, ALinkThatLeadsNowhereIsReplaced) {
  ASSERT_EQ(::symlink("nowhere", path("report").c_str()), 0);
  ASSERT_EQ(::symlink("loop", path("loop").c_str()), 0);
  ASSERT_TRUE(write_output(path("report"), "text\n"));
  ASSERT_TRUE(write_output(path("loop"), "text\n"));
  EXPECT_EQ(contents(path("report")), "text\n");
  EXPECT_EQ(contents(path("loop")), "text\n");
  EXPECT_EQ(names(), (Names{"loop", "report"}));
}

TEST_F(Output, StandardOutputTakesAllOfALongText) {
  std::string text = long_text();
  std::string got;
  Pipe pipe;
  std::thread reader([&] { got = read_to_end(pipe.reader.value()); });
  Result<void> result = [&] {
    StdoutTo redirected(pipe.writer.value());
    return write_stdout(text);
  }();
  pipe.writer = Fd();
  reader.join();
  EXPECT_TRUE(result);
  EXPECT_EQ(got, text);
}

TEST_F(Output, SignalsWhileWritingLoseNothing) {
  struct sigaction action = {};
  struct sigaction before_action;
  action.sa_handler = [](int) {};  // and no SA_RESTART: write() returns early or EINTR
  ASSERT_EQ(::sigaction(SIGALRM, &action, &before_action), 0);
  itimerval often{.it_interval = {0, 200}, .it_value = {0, 200}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  std::string text = long_text();
  std::string got;
  Pipe pipe;
  std::thread reader([&] { got = read_to_end(pipe.reader.value()); });
  Result<void> result = [&] {
    StdoutTo redirected(pipe.writer.value());
    return write_stdout(text);
  }();
  pipe.writer = Fd();
  reader.join();
  itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before_action, nullptr);
  EXPECT_TRUE(result);
  EXPECT_EQ(got, text);
}

TEST_F(Output, ANonBlockingPipeIsWaitedFor) {
  std::string text = long_text();
  std::string got;
  Pipe pipe;
  ASSERT_EQ(::fcntl(pipe.writer.value(), F_SETFL, O_NONBLOCK), 0);
  std::thread reader([&] { got = read_to_end(pipe.reader.value()); });
  Result<void> result = [&] {
    StdoutTo redirected(pipe.writer.value());
    return write_stdout(text);
  }();
  pipe.writer = Fd();
  reader.join();
  EXPECT_TRUE(result);
  EXPECT_EQ(got, text);
}

TEST_F(Output, AFullStandardOutputIsAnError) {
  Result<Fd> full = open_file("/dev/full", O_WRONLY);
  ASSERT_TRUE(full);
  Result<void> result = [&] {
    StdoutTo redirected((*full).value());
    return write_stdout("text");
  }();
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("standard output: No space left on device"), std::string::npos);
}

TEST_F(Output, AReaderThatWentAwayIsAnErrorAndNoSignal) {
  Pipe pipe;
  pipe.reader = Fd();
  Result<void> result = [&] {
    StdoutTo redirected(pipe.writer.value());
    return write_stdout("text");
  }();
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("Broken pipe"), std::string::npos);
  sigset_t pending;
  ASSERT_EQ(::sigpending(&pending), 0);
  EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
}

TEST_F(Output, ACheckBeforehandSaysWhatWritingWouldSay_AndLeavesNothing) {
  for (const std::string& name : {path("nowhere/report"), path(""), std::string("/sys/orphan-report")}) {
    Result<void> checked = check_output(name);
    Result<void> written = write_output(name, "text");
    ASSERT_FALSE(checked);
    ASSERT_FALSE(written);
    EXPECT_EQ(checked.error().text(), written.error().text());
  }
  EXPECT_TRUE(check_output(path("report")));
  EXPECT_EQ(names(), Names{});
  ASSERT_TRUE(write_output(path("report"), "old"));
  EXPECT_TRUE(check_output(path("report")));
  EXPECT_TRUE(check_output("/dev/full"));
  EXPECT_EQ(contents(path("report")), "old");
  EXPECT_EQ(names(), Names{"report"});
}

}  // namespace
}  // namespace orphan
