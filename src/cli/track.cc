// SPDX-License-Identifier: Apache-2.0
// `orphan track`: note allocations while a command runs or until ^C, then scan, with what was noted.
#include "cli/track.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "cli/interrupt.h"
#include "cli/scan.h"
#include "cli/session.h"
#include "kernel/modules.h"
#include "report/format.h"
#include "track/tracker.h"

namespace orphan::cli {
namespace {

constexpr double kNap = 0.02;    // seconds between two looks at the modules
constexpr u64 kLooksALine = 25;  // of them, between two looks at the counters
constexpr double kSettle = 1.0;  // seconds for what is freed by RCU to be gone

// The command that is watched.
class Child {
 public:
  static Result<Child> start(const std::vector<std::string>& command) {
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    pid_t pid = 0;
    if (int error = ::posix_spawnp(&pid, words[0], nullptr, nullptr, words.data(), environ); error != 0)
      return Error(ErrorCode::NotFound, fmt::format("{}: cannot be started: {}", command[0], std::strerror(error)));
    return Child(pid);
  }

  bool has_ended() {
    has_ended_ = has_ended_ || ::waitpid(pid_, nullptr, WNOHANG) != 0;
    return has_ended_;
  }

  // A signal of the terminal has reached it, too; another one was for us.
  void end() const {
    if (interrupting_signal() != SIGINT) ::kill(pid_, SIGTERM);
  }

 private:
  explicit Child(pid_t pid) : pid_(pid) {}

  pid_t pid_;
  bool has_ended_ = false;
};

class Track {
 public:
  Track(const TrackCommand& command, Session& session) : command_(command), session_(session) {}

  Result<Report> run() {
    TRY(session_.check(command_.scan.output));
    auto options = TRY(scan_options(command_.scan));
    auto target = TRY(session_.open_kernel(command_.scan.threads));
    session_.step("loading the programs that note allocations");
    auto tracker = TRY(
        track::Tracker::start({.table_bytes = command_.table_bytes,
                               .stacks_a_window = command_.all_stacks ? track::kAllStacks : track::TrackOptions().stacks_a_window,
                               .least_bytes = command_.least_bytes,
                               .only_tgid = command_.pid,
                               .pages = command_.scan.pages},
                              *target));
    kernel::ModuleWatch modules(target->memory(), target->layouts().module, target->globals().modules, target->symbols());
    modules.look();
    TRY(wait(*tracker, modules));
    modules.look();
    tracker->stop();
    // What was asked for was the end of the tracking.
    if (is_interrupted()) take_interrupt();
    wait_seconds(kSettle);
    options.records = &tracker->records();
    auto report =
        kernel::scan(*target, options,
                     {.keep_going = session_.keep_going(), .wait = wait_seconds, .progress = [this](const std::string& what) {
                        session_.step(what);
                      }});
    if (report) add_coverage(*tracker, *report);
    return report;
  }

 private:
  // Until the command has ended, or the user says so.
  Result<void> wait(track::Tracker& tracker, kernel::ModuleWatch& modules) {
    std::optional<Child> child;
    if (!command_.command.empty()) child = TRY(Child::start(command_.command));
    u64 before = 0;
    bool was_asked = false;
    for (u64 looks = 0; child ? !child->has_ended() : !is_interrupted(); ++looks) {
      if (child && is_interrupted() && !std::exchange(was_asked, true)) child->end();
      // A module may be gone soon, and its symbols with it.
      modules.look();
      if (looks % kLooksALine == 0) {
        track::TrackCounts counts = tracker.counts();
        session_.step(line(counts, static_cast<u64>(static_cast<double>(counts.events - before) / (kNap * kLooksALine)),
                           child.has_value()));
        before = counts.events;
        if (counts.lost_stacks != std::exchange(lost_stacks_, counts.lost_stacks)) tracker.reclaim_stacks();
      }
      pause();
    }
    return {};
  }

  // Ends early when a signal comes.
  static void pause() {
    timespec nap{0, static_cast<long>(kNap * 1e9)};
    ::nanosleep(&nap, nullptr);
  }

  static std::string line(const track::TrackCounts& counts, u64 a_second, bool has_child) {
    std::string text = fmt::format("tracking: {} allocations, {} a second, {} stacks", with_commas(counts.events),
                                   with_commas(a_second), with_commas(counts.stacks));
    if (u64 lost = counts.lost + counts.missed_runs; lost != 0) text += fmt::format(", {} lost", with_commas(lost));
    return text + (has_child ? "" : "; ^C ends it, and the scan begins");
  }

  static void add_coverage(const track::Tracker& tracker, Report& report) {
    track::TrackCounts counts = tracker.counts();
    std::string why =
        fmt::format("in {} of notes; {} stacks were taken", human_bytes(tracker.table_bytes()), with_commas(counts.stacks));
    if (counts.replaced != 0) why += fmt::format("; {} notes took the place of another address's", with_commas(counts.replaced));
    if (counts.lost_stacks != 0) why += fmt::format("; there was no room for {} stacks", with_commas(counts.lost_stacks));
    if (u64 lost = counts.lost + counts.missed_runs; lost != 0)
      why += fmt::format("; {} allocations were not noted", with_commas(lost));
    report.coverage.push_back({.what = "allocations traced", .count = counts.events, .why = why, .incomplete = false});
    for (const Coverage& missing : tracker.coverage()) report.coverage.push_back(missing);
  }

  const TrackCommand& command_;
  Session& session_;
  u64 lost_stacks_ = 0;
};

}  // namespace

int run_track(const TrackCommand& command) {
  Session session;
  Result<Report> report = Track(command, session).run();
  if (!report) return session.fail(report.error());
  return session.finish(command.scan.output, print(*report, command.scan), status_of(*report));
}

}  // namespace orphan::cli
