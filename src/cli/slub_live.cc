// SPDX-License-Identifier: Apache-2.0
#include "cli/slub_live.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/fd.h"
#include "cli/interrupt.h"
#include "logs/slub_log.h"
#include "logs/slub_switch.h"
#include "logs/slub_tracks.h"
#include "report/format.h"
#include "report/progress.h"

namespace orphan::cli {
namespace {

const std::string kCaches = "/sys/kernel/slab/", kTraces = "/sys/kernel/debug/slab/";
constexpr int kLevelOfTrace = 6;  // KERN_INFO

struct TrackFiles {
  std::string allocated, freed;
};

bool exists(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0;
}

void say(const std::string& text) {
  fmt::print(stderr, "orphan: {}\n", text);
}

// Nothing: the kernel keeps no records of this cache.
std::optional<std::vector<logs::SlubTrack>> read_tracks(const std::string& path) {
  auto text = read_file(path);
  if (!text) return std::nullopt;
  auto tracks = logs::read_slub_tracks(*text);
  if (!tracks) {
    say(fmt::format("{}: {}", path, tracks.error().text()));
    return std::nullopt;
  }
  // "No data" is both: nothing is allocated, and nothing is recorded.
  return tracks->empty() ? std::nullopt : std::optional(*std::move(tracks));
}

// Of /proc/timer_list, which has a line "jiffies: 4294992476".
std::optional<u64> jiffies() {
  auto text = read_file("/proc/timer_list");
  constexpr std::string_view kLabel = "jiffies: ";
  std::size_t at = text ? text->find(kLabel) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  u64 value = 0;
  auto [end, error] = std::from_chars(text->data() + at + kLabel.size(), text->data() + text->size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

// Of the rates that kernels are configured with the nearest; 0: it is not known.
double ticks_a_second(std::optional<u64> before, std::optional<u64> after, double seconds) {
  if (!before || !after || *after < *before || seconds <= 0) return 0;
  double measured = static_cast<double>(*after - *before) / seconds, nearest = 0;
  for (double rate : {100.0, 250.0, 300.0, 1000.0}) {
    if (std::abs(rate - measured) < std::abs(nearest - measured)) nearest = rate;
  }
  return nearest;
}

LiveFindings look_at_tracks(const SlubTraceCommand& command, const TrackFiles& files, const std::vector<logs::SlubTrack>& first) {
  using Clock = std::chrono::steady_clock;
  auto jiffies_before = jiffies();
  auto start = Clock::now();
  wait_seconds(command.live_s);
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  double ticks = ticks_a_second(jiffies_before, jiffies(), seconds);
  LiveFindings live{.source = files.allocated, .findings = {}, .is_snapshot = true};
  auto last = read_tracks(files.allocated);
  live.findings.groups = logs::groups_of_tracks(last.value_or(std::vector<logs::SlubTrack>()), command.live, ticks);
  live.findings.counts.seconds = seconds;
  live.grown = logs::growth(logs::groups_of_tracks(first, command.live, 0), live.findings.groups);
  if (auto freed = read_tracks(files.freed)) live.freed = logs::groups_of_tracks(*freed, command.live, ticks);
  return live;
}

// What the trace costs that is on now.
void warn(const std::string& cache) {
  say(fmt::format(
      "each allocation and each free of {} prints some 30 lines, and a free the object's contents, too: a busy cache slows "
      "the machine down, and fills its log",
      cache));
  auto printk = read_file("/proc/sys/kernel/printk");
  int level = 0;
  if (!printk || std::from_chars(printk->data(), printk->data() + printk->size(), level).ec != std::errc()) return;
  if (level > kLevelOfTrace)
    say(fmt::format("they go to the console as well, which is slow: dmesg -n {} keeps them from it", kLevelOfTrace));
}

Result<LiveFindings> look_at_log(const SlubTraceCommand& command, const std::string& trace_file) {
  std::string state = TRY(read_file(trace_file));
  auto kmsg = TRY(logs::Kmsg::open("/dev/kmsg"));
  std::optional<logs::SlubSwitch> on;
  if (!state.starts_with('1')) on.emplace(TRY(logs::SlubSwitch::switch_on(trace_file, command.live)));
  warn(command.live);
  logs::SlubTrace trace([](u64, std::string_view) {});
  Progress progress;
  TRY(kmsg.follow({.seconds = command.live_s,
                   .keep_going = [] { return !is_interrupted(); },
                   .look =
                       [&] {
                         const logs::SlubCounts& counts = trace.counts();
                         progress.step(fmt::format("{} allocations, {} frees; ^C ends it", with_commas(counts.allocs),
                                                   with_commas(counts.frees)));
                       }},
                  trace));
  on.reset();
  return LiveFindings{.source = "/dev/kmsg", .findings = trace.finish()};
}

}  // namespace

Result<LiveFindings> look_live(const SlubTraceCommand& command) {
  const std::string& cache = command.live;
  std::string directory = kCaches + cache;
  if (!exists(directory)) {
    return Error(ErrorCode::NotFound,
                 fmt::format("{}: there is no such cache in {}: is its name right, and is the kernel's allocator SLUB?",
                             printable(cache), kCaches));
  }
  catch_interrupts();
  for (const TrackFiles& files : {TrackFiles{kTraces + cache + "/alloc_traces", kTraces + cache + "/free_traces"},
                                  TrackFiles{directory + "/alloc_calls", directory + "/free_calls"}}) {
    if (auto tracks = read_tracks(files.allocated)) return look_at_tracks(command, files, *tracks);
  }
  return look_at_log(command, directory + "/trace");
}

}  // namespace orphan::cli
