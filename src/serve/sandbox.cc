// SPDX-License-Identifier: Apache-2.0
#include "serve/sandbox.h"

#include <dirent.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fuse.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace orphan::serve {
namespace {

// --- capabilities ----------------------------------------------------------------------------------------------------
// They belong to threads, and the library for them (libcap-ng) changes the calling one's only and may not be called from a
// signal's handler. So the calls are made here, in each thread.

constexpr double kPatience = 2;  // seconds for a thread to take the signal

constexpr u64 bit(u32 capability) {
  return u64{1} << capability;
}

// Which are kept, as a number that a signal can carry.
int choice_of(const SandboxOptions& options) {
  return (options.asks_bpf ? 1 : 0) | (options.opens_kcore ? 2 : 0);
}
u64 kept_by(int choice) {
  return bit(CAP_SYSLOG) | ((choice & 1) != 0 ? bit(CAP_BPF) : 0) | ((choice & 2) != 0 ? bit(CAP_SYS_RAWIO) : 0);
}

// Of the calling thread. Nothing but system calls: it runs in a signal's handler. Whether it worked is seen in /proc.
void drop_capabilities(int choice) {
  u64 kept = kept_by(choice);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return;
  // Takes CAP_SETPCAP, so it comes first. The numbers end where the kernel knows no more.
  for (int capability = 0; capability < 64 && ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if ((kept & bit(static_cast<u32>(capability))) == 0) (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (std::size_t half = 0; half < data.size(); ++half) {
    u32 left = data[half].permitted & static_cast<u32>(kept >> (32 * half));
    data[half] = {.effective = left, .permitted = left, .inheritable = 0};
  }
  (void)::syscall(SYS_capset, &header, data.data());
}

void on_signal(int, siginfo_t* info, void*) {
  int saved = errno;
  if (info->si_code == SI_QUEUE && info->si_pid == ::getpid()) drop_capabilities(info->si_value.sival_int);
  errno = saved;
}

// The set with this name ("CapEff") in a status of /proc.
std::optional<u64> capability_set(std::string_view status, std::string_view name) {
  std::size_t at = status.find(std::string("\n") + std::string(name) + ":\t");
  if (at == std::string_view::npos) return std::nullopt;
  status.remove_prefix(at + name.size() + 3);
  u64 set = 0;
  if (std::from_chars(status.data(), status.data() + status.size(), set, 16).ec != std::errc()) return std::nullopt;
  return set;
}

// Whether the thread has nothing but `kept`. One that has ended has nothing.
bool is_stripped(pid_t thread, u64 kept, bool with_bounding_set) {
  std::string directory = fmt::format("/proc/self/task/{}", thread);
  auto status = read_file(directory + "/status");
  if (!status) return ::access(directory.c_str(), F_OK) != 0 && errno == ENOENT;
  auto has_more = [&](std::string_view name, u64 allowed) {
    auto set = capability_set(*status, name);
    return !set || (*set & ~allowed) != 0;
  };
  return !has_more("CapEff", kept) && !has_more("CapPrm", kept) && !has_more("CapInh", 0) && !has_more("CapAmb", 0) &&
         !(with_bounding_set && has_more("CapBnd", kept));
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

Result<std::vector<pid_t>> all_threads() {
  std::unique_ptr<DIR, CloseDirectory> directory(::opendir("/proc/self/task"));
  if (!directory) return system_error("/proc/self/task", errno);
  std::vector<pid_t> threads;
  while (const dirent* entry = ::readdir(directory.get())) {
    std::string_view name = entry->d_name;
    pid_t thread = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), thread).ec == std::errc()) threads.push_back(thread);
  }
  return threads;
}

void ask_thread(pid_t thread, int signal, int choice) {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  info.si_value.sival_int = choice;
  // Fails when the thread has ended.
  (void)::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), thread, signal, &info);
}

bool wait_until_stripped(pid_t thread, u64 kept, bool with_bounding_set) {
  constexpr timespec kNap{.tv_sec = 0, .tv_nsec = 1'000'000};
  for (int naps = 0; naps < static_cast<int>(kPatience * 1000); ++naps) {
    if (is_stripped(thread, kept, with_bounding_set)) return true;
    ::nanosleep(&kNap, nullptr);
  }
  return false;
}

Result<void> drop_capabilities_everywhere(int choice) {
  u64 kept = kept_by(choice);
  auto before = capability_set(TRY(read_file("/proc/thread-self/status")), "CapEff");
  bool with_bounding_set = before && (*before & bit(CAP_SETPCAP)) != 0;
  int signal = SIGRTMAX - 1;
  struct sigaction action{};
  struct sigaction old{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigfillset(&action.sa_mask);
  if (::sigaction(signal, &action, &old) != 0) return system_error("a signal for the threads cannot be set up", errno);
  drop_capabilities(choice);
  // Until a round finds nothing to do: a thread that had not been asked yet may have started another one.
  for (bool is_done = false; !is_done;) {
    is_done = true;
    for (pid_t thread : TRY(all_threads())) {
      if (is_stripped(thread, kept, with_bounding_set)) continue;
      is_done = false;
      ask_thread(thread, signal, choice);
      // The handler stays: the signal may still come.
      if (!wait_until_stripped(thread, kept, with_bounding_set))
        return Error(ErrorCode::Io, fmt::format("thread {} keeps its capabilities: does it block signals?", thread));
    }
  }
  ::sigaction(signal, &old, nullptr);
  return {};
}

// --- system calls ----------------------------------------------------------------------------------------------------

// With any arguments. A name that an architecture does not have is passed over.
constexpr const char* kAllowed[] = {
    // Files: those of /proc and /sys, debug information, the state. Modes and owners stay as they are; SQLite tries to set
    // them on its log, and goes on without.
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2", "open", "openat",
    "close", "close_range", "stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx",
    "statfs", "statfs64", "fstatfs", "fstatfs64", "lseek", "_llseek", "access", "faccessat", "faccessat2", "readlink",
    "readlinkat", "getdents", "getdents64", "getcwd", "fcntl", "fcntl64", "flock", "dup", "dup2", "dup3", "pipe", "pipe2",
    "fsync", "fdatasync", "sync_file_range", "fallocate", "ftruncate", "ftruncate64", "fadvise64", "rename", "renameat",
    "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "memfd_create",
    // libfuse moves what it can without copying.
    "splice", "vmsplice", "tee",
    // Memory; with mmap and mprotect below.
    "munmap", "mremap", "madvise", "brk", "mincore",
    // Threads, and waiting for the one child that there may be.
    "futex", "futex_time64", "futex_waitv", "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "gettid",
    "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_setscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "getpriority", "setpriority", "ioprio_get", "ioprio_set", "membarrier",
    "getcpu", "exit", "exit_group", "wait4", "waitid",
    // Time.
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "clock_nanosleep", "clock_nanosleep_time64",
    "nanosleep", "gettimeofday", "time", "times", "timerfd_create", "timerfd_settime", "timerfd_settime64", "timerfd_gettime",
    "timerfd_gettime64",
    // Waiting.
    "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "signalfd", "signalfd4",
    // Signals.
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_sigsuspend",
    "rt_sigpending", "sigaltstack", "restart_syscall", "pause",
    // Sockets: those that are bound already. Their families are below.
    "accept", "accept4", "recv", "recvfrom", "recvmsg", "recvmmsg", "send", "sendto", "sendmsg", "sendmmsg", "setsockopt",
    "getsockopt", "shutdown", "getsockname", "getpeername",
    // Asking.
    "getpid", "getppid", "getpgrp", "getpgid", "getsid", "getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32",
    "getegid", "getegid32", "getgroups", "getresuid", "getresgid", "getrlimit", "ugetrlimit", "getrusage", "sysinfo", "uname",
    "getrandom", "capget"};

struct Release {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

// The calls that are allowed with some arguments only. Collects the first error, so that the list reads as a list.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  void allow(const char* name, std::initializer_list<scmp_arg_cmp> arguments = {}) {
    add(SCMP_ACT_ALLOW, name, std::span(arguments.begin(), arguments.size()));
  }
  void fail(const char* name, u16 error_number) { add(SCMP_ACT_ERRNO(error_number), name, {}); }
  // `argument` is one of `values`.
  template <typename Values>
  void allow_values(const char* name, u32 argument, const Values& values) {
    for (u64 value : values) allow(name, {compare(argument, SCMP_CMP_EQ, value)});
  }
  static scmp_arg_cmp compare(u32 argument, scmp_compare how, u64 a, u64 b = 0) {
    return {.arg = argument, .op = how, .datum_a = a, .datum_b = b};
  }
  int error() const { return error_; }

 private:
  void add(u32 action, const char* name, std::span<const scmp_arg_cmp> arguments) {
    int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) return;
    int error = ::seccomp_rule_add_array(filter_, action, number, static_cast<u32>(arguments.size()), arguments.data());
    if (error_ == 0) error_ = -error;
  }

  scmp_filter_ctx filter_;
  int error_ = 0;
};

void add_rules(Rules& rules, const SandboxOptions& options) {
  for (const char* name : kAllowed) rules.allow(name);
  // No new code: what runs is what was loaded.
  for (const char* name : {"mmap", "mmap2", "mprotect"}) rules.allow(name, {Rules::compare(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
  // A filter cannot see what clone3 points to. Told that there is none, the C library takes clone.
  rules.fail("clone3", ENOSYS);
  rules.allow("clone", {Rules::compare(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)});
  rules.allow_values("socket", 0, std::array<u64, 3>{AF_UNIX, AF_INET, AF_INET6});
  rules.allow("socketpair", {Rules::compare(0, SCMP_CMP_EQ, AF_UNIX)});
  // To itself: abort(), and one thread to another.
  for (const char* name : {"kill", "tgkill"}) rules.allow(name, {Rules::compare(0, SCMP_CMP_EQ, static_cast<u64>(::getpid()))});
  // Its own limits, to read.
  rules.allow("prlimit64", {Rules::compare(0, SCMP_CMP_EQ, 0), Rules::compare(2, SCMP_CMP_EQ, 0)});
  rules.allow_values("prctl", 0, std::array<u64, 3>{PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ});
  // A terminal, a socket, another descriptor for a thread of libfuse, and the end of a probe.
  rules.allow_values("ioctl", 1,
                     std::array<u64, 6>{TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FUSE_DEV_IOC_CLONE, PERF_EVENT_IOC_DISABLE});
  if (options.asks_bpf)
    rules.allow_values("bpf", 0, std::array<u64, 3>{BPF_PROG_TEST_RUN, BPF_OBJ_GET_INFO_BY_FD, BPF_MAP_LOOKUP_ELEM});
}

Error cannot_filter(int error_number) {
  if (error_number == EINVAL || error_number == ENOSYS) {
    return {ErrorCode::Unsupported,
            fmt::format("system calls cannot be filtered ({}): the kernel was built without CONFIG_SECCOMP_FILTER",
                        std::strerror(error_number))};
  }
  return system_error("system calls cannot be filtered", error_number);
}

Result<void> filter_system_calls(const SandboxOptions& options) {
  Filter filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return Error(ErrorCode::OutOfMemory, "there is no memory for a filter of system calls");
  Rules rules(filter.get());
  add_rules(rules, options);
  if (rules.error() != 0) return cannot_filter(rules.error());
  struct Attribute {
    scmp_filter_attr attribute;
    u32 value;
  };
  // Calls of another architecture (32 bits) are refused like the rest; all threads get the filter, with no_new_privs; it is a
  // tree, not a list; errors are the kernel's.
  for (Attribute set :
       {Attribute{SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM)}, Attribute{SCMP_FLTATR_CTL_TSYNC, 1},
        Attribute{SCMP_FLTATR_CTL_NNP, 1}, Attribute{SCMP_FLTATR_CTL_OPTIMIZE, 2}, Attribute{SCMP_FLTATR_API_SYSRAWRC, 1}}) {
    if (int error = ::seccomp_attr_set(filter.get(), set.attribute, set.value); error != 0) return cannot_filter(-error);
  }
  if (int error = ::seccomp_load(filter.get()); error != 0) return cannot_filter(-error);
  return {};
}

}  // namespace

Result<void> enter_sandbox(const SandboxOptions& options) {
  TRY(drop_capabilities_everywhere(choice_of(options)));
  return filter_system_calls(options);
}

}  // namespace orphan::serve
