// SPDX-License-Identifier: Apache-2.0
#include "serve/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <thread>

#include "base/fd.h"
#include "serve/in_child.h"
#include "serve/state_file.h"

namespace orphan::serve {
namespace {

void enter(const SandboxOptions& options = {}) {
  auto entered = enter_sandbox(options);
  ASSERT_TRUE(entered) << entered.error().text();
}

// What a system call came to: 0, or the number of its error.
template <typename... Arguments>
int call(long number, Arguments... arguments) {
  return ::syscall(number, arguments...) < 0 ? errno : 0;
}

int close_after(int fd) {
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

int perf_event_open() {
  perf_event_attr attribute{};
  attribute.type = PERF_TYPE_SOFTWARE;
  attribute.size = sizeof attribute;
  attribute.config = PERF_COUNT_SW_DUMMY;
  return close_after(static_cast<int>(::syscall(SYS_perf_event_open, &attribute, 0, -1, -1, 0)));
}

int bpf(int command) {
  bpf_attr attribute{};
  if (command == BPF_MAP_CREATE) {
    attribute.map_type = BPF_MAP_TYPE_ARRAY;
    attribute.key_size = 4;
    attribute.value_size = 4;
    attribute.max_entries = 1;
    return close_after(static_cast<int>(::syscall(SYS_bpf, command, &attribute, sizeof attribute)));
  }
  attribute.info.bpf_fd = ~0U;  // the first member of most, and no descriptor
  return call(SYS_bpf, command, &attribute, sizeof attribute);
}

int map_code() {
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return errno;
  ::munmap(at, 4096);
  return 0;
}

int new_process() {
  auto child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) ::_exit(0);
  if (child < 0) return errno;
  ::waitpid(child, nullptr, 0);
  return 0;
}

int bind_loopback() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  return ::bind(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ? errno : 0;
}

int connect_to(int family) {
  Fd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  address.ss_family = static_cast<sa_family_t>(family);
  return ::connect(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ? errno : 0;
}

int raise_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return ::setrlimit(RLIMIT_NOFILE, &limit) < 0 ? errno : 0;
}

// What comes to something else than EPERM before (the arguments are such that nothing happens), and to EPERM afterwards.
struct Denied {
  const char* what;
  int (*act)();
};
const Denied kDenied[] = {
    {"execve", [] { return call(SYS_execve, "/nowhere", nullptr, nullptr); }},
    {"execveat", [] { return call(SYS_execveat, -1, "nowhere", nullptr, nullptr, 0); }},
    {"clone of a process", new_process},
#ifdef SYS_fork
    {"fork", [] { return ::syscall(SYS_fork) == 0 ? (::_exit(0), 0) : (errno == EPERM ? EPERM : (::wait(nullptr), 0)); }},
#endif
    {"ptrace", [] { return call(SYS_ptrace, PTRACE_PEEKDATA, -1, nullptr, nullptr); }},
    {"process_vm_readv", [] { return call(SYS_process_vm_readv, -1, nullptr, 0, nullptr, 0, 0); }},
    {"process_vm_writev", [] { return call(SYS_process_vm_writev, -1, nullptr, 0, nullptr, 0, 0); }},
    {"kill of another process", [] { return ::kill(::getppid(), 0) < 0 ? errno : 0; }},
    {"mount", [] { return call(SYS_mount, "none", "/nowhere", "tmpfs", 0, nullptr); }},
    {"umount2", [] { return call(SYS_umount2, "/nowhere", 0); }},
    {"unshare", [] { return call(SYS_unshare, 0); }},
    {"setns", [] { return call(SYS_setns, -1, 0); }},
    {"chroot", [] { return call(SYS_chroot, "/nowhere"); }},
    {"pivot_root", [] { return call(SYS_pivot_root, "/nowhere", "/nowhere"); }},
    {"init_module", [] { return call(SYS_init_module, nullptr, 0, ""); }},
    {"finit_module", [] { return call(SYS_finit_module, -1, "", 0); }},
    {"delete_module", [] { return call(SYS_delete_module, "there_is_no_such_module", O_NONBLOCK); }},
    {"kexec_load", [] { return call(SYS_kexec_load, 0, 1000, nullptr, ~0UL); }},
    {"reboot", [] { return call(SYS_reboot, 0, 0, 0, nullptr); }},
    {"swapoff", [] { return call(SYS_swapoff, "/nowhere"); }},
    {"socket of AF_NETLINK", [] { return close_after(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)); }},
    {"socket of AF_PACKET", [] { return close_after(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)); }},
    {"bind", bind_loopback},
    {"connect over IP", [] { return connect_to(AF_INET); }},
    {"connect to a path", [] { return connect_to(AF_UNIX); }},
    {"listen", [] { return ::listen(-1, 1) < 0 ? errno : 0; }},
    {"setuid", [] { return call(SYS_setuid, ::getuid()); }},
    {"setgid", [] { return call(SYS_setgid, ::getgid()); }},
    {"setresuid", [] { return call(SYS_setresuid, -1, -1, -1); }},
    {"setgroups", [] { return call(SYS_setgroups, -1, nullptr); }},
    {"capset", [] { return call(SYS_capset, nullptr, nullptr); }},
    {"chmod", [] { return call(SYS_fchmodat, AT_FDCWD, "/nowhere", 0); }},
    {"chown", [] { return call(SYS_fchownat, AT_FDCWD, "/nowhere", 0, 0, 0); }},
    {"setrlimit", raise_limit},
    {"io_uring_setup", [] { return call(SYS_io_uring_setup, 0, nullptr); }},
    {"perf_event_open", perf_event_open},
    {"add_key", [] { return call(SYS_add_key, nullptr, nullptr, nullptr, 0, 0); }},
    {"keyctl", [] { return call(SYS_keyctl, 0, 0, 0, 0, 0); }},
    {"userfaultfd", [] { return call(SYS_userfaultfd, ~0); }},
    {"creation of a BPF map", [] { return bpf(BPF_MAP_CREATE); }},
    {"load of a BPF program", [] { return bpf(BPF_PROG_LOAD); }},
    {"question to a BPF program", [] { return bpf(BPF_OBJ_GET_INFO_BY_FD); }},
    {"memory with code", map_code},
    {"prctl with something else", [] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? errno : 0; }},
    {"ioctl with something else", [] { return ::ioctl(-1, TIOCSTI, "") < 0 ? errno : 0; }},
    {"personality", [] { return call(SYS_personality, 0xffffffff); }},
    {"sethostname", [] { return call(SYS_sethostname, nullptr, -1); }},
    {"clock_settime", [] { return call(SYS_clock_settime, -1, nullptr); }},
    {"syslog", [] { return call(SYS_syslog, 10, nullptr, 0); }},
};

TEST(Sandbox, WhatWasPossibleIsRefusedAfterwards) {
  int status = in_child([] {
    constexpr std::size_t kCount = std::size(kDenied);
    std::array<int, kCount> before{};
    std::size_t shown = 0;
    for (std::size_t i = 0; i < kCount; ++i) before[i] = kDenied[i].act();
    enter();
    for (std::size_t i = 0; i < kCount; ++i) {
      EXPECT_EQ(kDenied[i].act(), EPERM) << kDenied[i].what << ", which came to error " << before[i] << " before";
      if (before[i] != EPERM && before[i] != ENOSYS) ++shown;
    }
    // Without root, or in a container, many of them come to EPERM before.
    EXPECT_GE(shown, kCount / 2) << "of " << kCount << " only so many were possible before: that does not show much";
  });
  EXPECT_EQ(status, 0);
}

TEST(Sandbox, Clone3IsSaidNotToExist_SoThatThreadsStartWithClone) {
  EXPECT_NE(call(SYS_clone3, nullptr, 0), ENOSYS);
  EXPECT_EQ(in_child([] {
              enter();
              EXPECT_EQ(call(SYS_clone3, nullptr, 0), ENOSYS);
            }),
            0);
}

TEST(Sandbox, QuestionsToBpfProgramsAreAllowedWhenAskedFor_NewOnesAreNot) {
  if (::getuid() != 0) GTEST_SKIP() << "only root has the capability";
  for (bool asks : {false, true}) {
    int status = in_child([&] {
      const std::array kQuestions{BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_TEST_RUN, BPF_MAP_LOOKUP_ELEM};
      std::map<int, bool> was_refused;  // as in some containers
      for (int command : kQuestions) was_refused[command] = bpf(command) == EPERM;
      enter({.asks_bpf = asks});
      for (int command : kQuestions) EXPECT_EQ(bpf(command) == EPERM, !asks || was_refused[command]) << command;
      for (int command : {BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_MAP_UPDATE_ELEM, BPF_LINK_CREATE})
        EXPECT_EQ(bpf(command), EPERM) << command;
    });
    EXPECT_EQ(status, 0);
  }
}

// --- what goes on ----------------------------------------------------------------------------------------------------

class SandboxWorkTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/orphan-sandbox-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
};

TEST_F(SandboxWorkTest, FilesOfProcThatCouldBeReadStillCan) {
  int status = in_child([] {
    std::vector<std::string> readable;
    for (const char* path : {"/proc/self/status", "/proc/meminfo", "/proc/kallsyms", "/proc/modules", "/proc/slabinfo",
                             "/proc/vmallocinfo", "/proc/zoneinfo", "/sys/kernel/notes"}) {
      if (read_file(path)) readable.emplace_back(path);
    }
    EXPECT_GE(readable.size(), 3U);
    enter();
    for (const std::string& path : readable) EXPECT_TRUE(read_file(path)) << path;
    EXPECT_GT(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}), 0);
  });
  EXPECT_EQ(status, 0);
}

TEST_F(SandboxWorkTest, AddressesOfSymbolsAreStillShown) {
  auto address_of_text = [] {
    auto text = read_file("/proc/kallsyms");
    std::size_t end = text ? text->find(" _text\n") : std::string::npos;
    return end == std::string::npos ? std::string() : text->substr(text->rfind('\n', end) + 1, 16);
  };
  std::string before = address_of_text();
  if (before.empty() || before == std::string(16, '0')) GTEST_SKIP() << "they are not shown to us at all";
  EXPECT_EQ(in_child([&] {
              enter();
              EXPECT_EQ(address_of_text(), before);
            }),
            0);
}

TEST_F(SandboxWorkTest, AStateThatWasOpenedBeforeIsSaved_AndSoIsOneThatIsOpenedLater) {
  std::vector<SavedObject> objects;
  for (u64 i = 0; i < 5000; ++i) objects.push_back({.address = i});
  EXPECT_EQ(in_child([&] {
              std::string notice;
              auto file = StateFile::open(directory_ + "/first", "boot", [&](const std::string& text) { notice = text; });
              ASSERT_TRUE(file);
              enter();
              auto saved = file->save(objects, {});
              EXPECT_TRUE(saved) << saved.error().text();
              std::filesystem::remove(file->path());
              saved = file->save(objects, {});
              EXPECT_TRUE(saved) << saved.error().text();
              auto later = StateFile::open(directory_ + "/later", "boot", [&](const std::string& text) { notice = text; });
              ASSERT_TRUE(later) << later.error().text();
              EXPECT_TRUE(later->save(objects, {}));
              EXPECT_EQ(notice, "");
            }),
            0);
  for (const char* name : {"/first", "/later"}) {
    auto file = StateFile::open(directory_ + name, "boot", [](const std::string&) {});
    ASSERT_TRUE(file);
    EXPECT_TRUE(file->objects() == objects) << name;
  }
}

TEST_F(SandboxWorkTest, AThreadStartsAndCanBeWaitedFor) {
  EXPECT_EQ(in_child([] {
              enter();
              std::atomic<int> sum = 0;
              for (int i = 0; i < 4; ++i) std::jthread([&] { sum += 1; });
              EXPECT_EQ(sum, 4);
            }),
            0);
}

// Who asks comes from outside of the sandbox.
TEST_F(SandboxWorkTest, ASocketThatListenedBeforeAcceptsAndAnswers) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::string path = directory_ + "/socket";
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  Fd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listening.value(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listening.value(), 1), 0);
  pid_t child = ::fork();
  if (child == 0) {
    enter();
    pollfd ready{.fd = listening.value(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&ready, 1, 10'000), 1);
    Fd peer(::accept4(listening.value(), nullptr, nullptr, SOCK_CLOEXEC));
    char question[8];
    EXPECT_EQ(::recv(peer.value(), question, sizeof question, 0), 4);
    EXPECT_EQ(::send(peer.value(), "pong", 4, MSG_NOSIGNAL), 4);
    EXPECT_EQ(::shutdown(peer.value(), SHUT_RDWR), 0);
    std::fflush(nullptr);
    ::_exit(HasFailure() ? 1 : 0);
  }
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::send(socket.value(), "ping", 4, MSG_NOSIGNAL), 4);
  char text[8];
  EXPECT_EQ(::recv(socket.value(), text, sizeof text, MSG_WAITALL), 4);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(SandboxWorkTest, MemoryTimersSignalsAndRandomNumbersAreThere) {
  EXPECT_EQ(in_child([] {
              enter();
              std::vector<char> much(64 << 20, 1);
              EXPECT_EQ(much.back(), 1);
              char random[8];
              EXPECT_EQ(::getrandom(random, sizeof random, 0), 8);
              Fd event(::eventfd(1, EFD_CLOEXEC)), timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
              sigset_t signals;
              ::sigemptyset(&signals);
              ::sigaddset(&signals, SIGTERM);
              EXPECT_EQ(::pthread_sigmask(SIG_BLOCK, &signals, nullptr), 0);
              Fd signal(::signalfd(-1, &signals, SFD_CLOEXEC));
              EXPECT_GE(event.value(), 0);
              EXPECT_GE(timer.value(), 0);
              EXPECT_EQ(::kill(::getpid(), SIGTERM), 0);
              pollfd ready{.fd = signal.value(), .events = POLLIN, .revents = 0};
              EXPECT_EQ(::poll(&ready, 1, 10'000), 1);
              std::this_thread::sleep_for(std::chrono::milliseconds(1));
              EXPECT_EQ(::setpriority(PRIO_PROCESS, 0, 19), 0);
              EXPECT_EQ(::prctl(PR_SET_NAME, "sandboxed", 0, 0, 0), 0);
              rlimit limit{};
              EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
              Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
              EXPECT_GE(socket.value(), 0);
            }),
            0);
}

TEST_F(SandboxWorkTest, ABugStillEndsTheProcess) {
  int status = in_child([] {
    enter();
    ::signal(SIGABRT, SIG_DFL);
    std::abort();
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
}

// --- capabilities, as the kernel shows them --------------------------------------------------------------------------

std::string line_of(const std::string& status, const std::string& name) {
  std::size_t at = status.find("\n" + name + ":\t");
  if (at == std::string::npos) return "(none)";
  at += name.size() + 3;
  return status.substr(at, status.find('\n', at) - at);
}

std::string hex(u64 set) {
  char text[17];
  std::snprintf(text, sizeof text, "%016lx", set);
  return text;
}

// A container may have taken some from us before.
u64 permitted() {
  auto status = read_file("/proc/self/status");
  return status ? std::strtoull(line_of(*status, "CapPrm").c_str(), nullptr, 16) : 0;
}

void expect_stripped(const std::string& task, u64 kept) {
  auto status = read_file(task + "/status");
  // One that was joined is listed for a moment more.
  if (!status && !std::filesystem::exists(task)) return;
  ASSERT_TRUE(status) << task;
  for (const char* name : {"CapEff", "CapPrm"}) EXPECT_EQ(line_of(*status, name), hex(kept)) << task << ", " << name;
  for (const char* name : {"CapInh", "CapAmb"}) EXPECT_EQ(line_of(*status, name), hex(0)) << task << ", " << name;
  EXPECT_EQ(line_of(*status, "NoNewPrivs"), "1") << task;
  EXPECT_EQ(line_of(*status, "Seccomp"), "2") << task;
}

std::size_t expect_all_stripped(u64 kept) {
  std::size_t threads = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    expect_stripped(entry.path(), kept);
    ++threads;
  }
  return threads;
}

constexpr u64 kSyslog = u64{1} << CAP_SYSLOG, kSetpcap = u64{1} << CAP_SETPCAP;

TEST(SandboxCapabilities, EveryThreadLosesThem_ThoseThatSleepAndThoseThatWorkAndThoseThatComeLater) {
  if (::getuid() != 0) GTEST_SKIP() << "only root has any";
  int status = in_child([] {
    std::atomic<bool> is_over = false;
    Fd event(::eventfd(0, EFD_CLOEXEC));
    std::jthread sleeper([&] {
      while (!is_over) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    });
    std::jthread reader([&] {
      u64 value = 0;
      EXPECT_EQ(::read(event.value(), &value, sizeof value), 8);  // a signal does not end it
    });
    std::jthread worker([&] {
      for (u64 i = 0; !is_over; ++i) asm volatile("" ::"r"(i));
    });
    auto before = read_file("/proc/self/status");
    EXPECT_EQ(line_of(*before, "NoNewPrivs"), "0");
    u64 had = permitted();
    EXPECT_NE(had & ~kSyslog, 0U);
    enter();
    std::jthread later([&] {
      while (!is_over) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    });
    EXPECT_EQ(expect_all_stripped(kSyslog & had), 5U);
    if ((had & kSetpcap) != 0) {
      EXPECT_EQ(line_of(*read_file("/proc/self/status"), "CapBnd"), hex(kSyslog & had));
    }
    is_over = true;
    u64 one = 1;
    EXPECT_EQ(::write(event.value(), &one, sizeof one), 8);
  });
  EXPECT_EQ(status, 0);
}

TEST(SandboxCapabilities, TheOptionsKeepOneEach) {
  if (::getuid() != 0) GTEST_SKIP() << "only root has any";
  struct Case {
    SandboxOptions options;
    u64 kept;
  };
  for (Case c :
       {Case{{.asks_bpf = true}, kSyslog | u64{1} << CAP_BPF}, Case{{.opens_kcore = true}, kSyslog | u64{1} << CAP_SYS_RAWIO}}) {
    EXPECT_EQ(in_child([&] {
                u64 had = permitted();
                enter(c.options);
                EXPECT_EQ(expect_all_stripped(c.kept & had), 1U);
              }),
              0);
  }
}

TEST(SandboxCapabilities, ThreadsThatComeAndGoMeanwhileLoseThem) {
  if (::getuid() != 0) GTEST_SKIP() << "only root has any";
  int status = in_child([] {
    std::atomic<bool> is_over = false;
    std::jthread starter([&] {
      while (!is_over) std::jthread([] {});
    });
    u64 had = permitted();
    enter();
    is_over = true;
    starter.join();
    EXPECT_GE(expect_all_stripped(kSyslog & had), 1U);
  });
  EXPECT_EQ(status, 0);
}

TEST(SandboxCapabilities, AThreadThatTakesNoSignalIsNamed) {
  if (::getuid() != 0) GTEST_SKIP() << "only root has any";
  int status = in_child([] {
    std::atomic<pid_t> deaf = 0;
    std::thread([&] {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
      deaf = ::gettid();
      for (;;) ::pause();
    }).detach();
    while (deaf == 0) std::this_thread::yield();
    auto entered = enter_sandbox({});
    ASSERT_FALSE(entered);
    EXPECT_EQ(entered.error().text(), "thread " + std::to_string(deaf) + " keeps its capabilities: does it block signals?");
    EXPECT_EQ(line_of(*read_file("/proc/self/status"), "Seccomp"), "0");
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace orphan::serve
