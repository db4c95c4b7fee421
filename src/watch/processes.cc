// SPDX-License-Identifier: Apache-2.0
#include "watch/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "watch/line_reader.h"

namespace orphan::watch {
namespace {

constexpr i64 kSlackPages = 256, kSlackCount = 64;
constexpr std::size_t kStatBytes = 1024;

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

Directory open_directory(int parent, const char* name) {
  int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return {nullptr, ::closedir};
  Directory directory(::fdopendir(fd), ::closedir);
  if (!directory) ::close(fd);
  return directory;
}

bool is_number(const char* name) {
  return std::string_view(name).find_first_not_of("0123456789") == std::string_view::npos;
}

struct Stat {
  std::string_view comm;
  i64 threads = 0, start = 0, rss_pages = 0;
  bool is_kernel_thread = false;
};

// /proc/PID/stat: "1 (comm) S …". The name may have anything in it, blanks and brackets too: it ends at the last bracket.
std::optional<Stat> parse_stat(std::string_view text) {
  std::size_t open = text.find('('), close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  Stat stat{.comm = text.substr(open + 1, close - open - 1)};
  constexpr i64 kKernelThread = 0x0020'0000;  // PF_KTHREAD
  constexpr int kFlags = 9, kThreads = 20, kStart = 22, kRss = 24;
  Words words(text.substr(close + 1));
  words.next();  // the state, which is the third field
  for (int field = 4; field <= kRss; ++field) {
    auto value = number_in<i64>(words.next());
    // Some have all 64 bits; none of those is of interest.
    if (field == kFlags && value) stat.is_kernel_thread = (*value & kKernelThread) != 0;
    if (field != kThreads && field != kStart && field != kRss) continue;
    if (!value) return std::nullopt;
    (field == kThreads ? stat.threads : field == kStart ? stat.start : stat.rss_pages) = *value;
  }
  return stat;
}

// Whatever a process has given itself for a name, it is to fit into one line of text.
std::string plain(std::string_view comm) {
  std::string text(comm);
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

// Of no other file system is the size of a directory the number of its entries.
bool has_file_counts(const std::string& proc) {
  std::string own = proc + "/self/fd";
  struct statfs system{};
  struct stat status{};
  return ::statfs(own.c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC && ::stat(own.c_str(), &status) == 0 &&
         status.st_size > 0;
}

std::optional<i64> size_of(int proc, const std::string& path) {
  struct stat status{};
  return ::fstatat(proc, path.c_str(), &status, 0) == 0 ? std::optional<i64>(status.st_size) : std::nullopt;
}

std::optional<i64> count_files(int proc, const std::string& path) {
  Directory files = open_directory(proc, path.c_str());
  if (!files) return std::nullopt;
  i64 count = 0;
  while (const dirent* entry = ::readdir(files.get())) count += entry->d_name[0] != '.';
  return count;
}

i64 cpu_time_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// "Pss:   123 kB" and the like.
template <typename Take>
void read_fields(int proc, const std::string& path, Take take) {
  auto reader = LineReader::open_at(proc, path);
  if (!reader) return;
  for (;;) {
    auto line = reader->next();
    if (!line || !*line) return;
    std::size_t colon = (*line)->find(':');
    if (colon == std::string_view::npos) continue;
    Words words((*line)->substr(colon + 1));
    if (auto value = number_in<i64>(words.next())) take((*line)->substr(0, colon), *value);
  }
}

Reading reading(const std::string& name, std::string_view field, Unit unit, i64 scale, i64 value) {
  return {.kind = Kind::Process, .unit = unit, .scale = scale, .name = name, .field = field, .value = value};
}

}  // namespace

Processes::Processes(std::string proc, std::size_t top, i64 pss_budget_ns)
    : proc_(std::move(proc)),
      top_(top),
      pss_budget_ns_(pss_budget_ns),
      page_bytes_(::sysconf(_SC_PAGESIZE)),
      has_file_counts_(has_file_counts(proc_)),
      by_rss_(kSlackPages),
      by_threads_(kSlackCount),
      by_files_(kSlackCount) {}

Result<std::vector<Processes::Process>> Processes::look() {
  Directory directory = open_directory(AT_FDCWD, proc_.c_str());
  if (!directory) return system_error(proc_, errno);
  int proc = ::dirfd(directory.get());
  directory_ = Fd(::dup(proc));
  std::vector<Process> all;
  char text[kStatBytes];
  while (const dirent* entry = ::readdir(directory.get())) {
    if (!is_number(entry->d_name)) continue;
    std::string name = std::string(entry->d_name) + "/stat";
    Fd fd(::openat(proc, name.c_str(), O_RDONLY | O_CLOEXEC));
    ssize_t size = fd.value() < 0 ? -1 : ::read(fd.value(), text, sizeof text);
    if (size <= 0) continue;  // it has ended meanwhile
    std::optional<Stat> stat = parse_stat({text, static_cast<std::size_t>(size)});
    if (!stat || stat->is_kernel_thread) continue;
    Process process{.directory = entry->d_name, .rss_pages = stat->rss_pages, .threads = stat->threads};
    process.name = fmt::format("{} {} {}", plain(stat->comm), entry->d_name, stat->start);
    if (has_file_counts_) process.files = size_of(proc, process.directory + "/fd");
    process.key = std::hash<std::string>()(process.name);
    all.push_back(std::move(process));
  }
  return all;
}

// Each of the three has to hear of it.
bool Processes::is_chosen(const Process& process) {
  bool is_chosen = by_rss_.note(process.key, process.rss_pages).is_chosen;
  is_chosen |= by_threads_.note(process.key, process.threads).is_chosen;
  if (process.files) is_chosen |= by_files_.note(process.key, *process.files).is_chosen;
  return is_chosen;
}

void Processes::add_details(Sink& sink, const Process& process) const {
  sink.add(reading(process.name, "rss", Unit::Bytes, page_bytes_, process.rss_pages));
  sink.add(reading(process.name, "threads", Unit::Count, 1, process.threads));
  if (auto files = process.files ? process.files : count_files(directory_.value(), process.directory + "/fd"))
    sink.add(reading(process.name, "files", Unit::Count, 1, *files));
  read_fields(directory_.value(), process.directory + "/status", [&](std::string_view field, i64 value) {
    if (field == "VmSwap") sink.add(reading(process.name, "swap", Unit::Bytes, 1024, value));
  });
}

void Processes::add_pss(Sink& sink, std::vector<const Process*> chosen) {
  // What one large process takes beyond the budget is saved in the samples after it.
  pss_credit_ns_ = std::min(pss_credit_ns_ + pss_budget_ns_, pss_budget_ns_);
  std::ranges::stable_sort(chosen, {}, [this](const Process* process) { return pss_samples_[process->key]; });
  for (const Process* process : chosen) {
    if (pss_credit_ns_ <= 0) break;
    i64 before_ns = cpu_time_ns();
    read_fields(directory_.value(), process->directory + "/smaps_rollup", [&](std::string_view field, i64 value) {
      if (field == "Pss") sink.add(reading(process->name, "pss", Unit::Bytes, 1024, value));
    });
    pss_samples_[process->key] = sample_;
    pss_credit_ns_ -= cpu_time_ns() - before_ns;
  }
}

Result<void> Processes::sample(Sink& sink) {
  ++sample_;
  std::vector<Process> all = TRY(look());
  std::ranges::sort(all, std::ranges::greater(), &Process::rss_pages);
  for (Choice* choice : {&by_rss_, &by_threads_, &by_files_}) choice->begin_sample();
  i64 threads = 0, rss_pages = 0;
  std::vector<const Process*> chosen;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Process& process = all[i];
    threads += process.threads;
    rss_pages += process.rss_pages;
    bool grows = is_chosen(process);
    if (grows || i < top_ || sink.has(Kind::Process, process.name)) chosen.push_back(&process);
  }
  for (Choice* choice : {&by_rss_, &by_threads_, &by_files_}) choice->end_sample();
  auto add_total = [&](std::string_view field, Unit unit, i64 scale, i64 value) {
    sink.add({.kind = Kind::Processes, .unit = unit, .scale = scale, .field = field, .value = value});
  };
  add_total("processes", Unit::Count, 1, static_cast<i64>(all.size()));
  add_total("threads", Unit::Count, 1, threads);
  add_total("rss", Unit::Bytes, page_bytes_, rss_pages);
  for (const Process* process : chosen) add_details(sink, *process);
  add_pss(sink, chosen);
  std::erase_if(pss_samples_, [&](const auto& turn) {
    return std::ranges::none_of(chosen, [&](const Process* process) { return process->key == turn.first; });
  });
  directory_ = Fd();
  return {};
}

}  // namespace orphan::watch
