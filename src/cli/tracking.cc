// SPDX-License-Identifier: Apache-2.0
#include "cli/tracking.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "cli/interrupt.h"
#include "report/format.h"
#include "track/choice.h"

namespace orphan::cli {
namespace {

constexpr double kNap = 0.02;    // seconds between two looks
constexpr u64 kLooksALine = 25;  // of them, between two looks at the counters

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

// Ends early when a signal comes.
void pause() {
  timespec nap{0, static_cast<long>(kNap * 1e9)};
  ::nanosleep(&nap, nullptr);
}

std::string line(const track::TrackCounts& counts, u64 a_second, u64 table_bytes, std::string_view then) {
  std::string text = fmt::format("tracking: {} allocations, {} a second, {} stacks, in {}", with_commas(counts.events),
                                 with_commas(a_second), with_commas(counts.stacks), human_bytes(table_bytes));
  if (u64 lost = counts.lost + counts.missed_runs; lost != 0) text += fmt::format(", {} lost", with_commas(lost));
  return then.empty() ? text : fmt::format("{}; ^C ends it, and {}", text, then);
}

}  // namespace

Result<track::TrackOptions> track_options(const TrackCommand& command) {
  track::TrackOptions options{
      .ram_bytes = static_cast<u64>(::sysconf(_SC_PHYS_PAGES)) * static_cast<u64>(::sysconf(_SC_PAGESIZE)),
      .table_bytes = command.table_bytes,
      .least_bytes = command.least_bytes,
      .only_tgid = command.pid,
      .sample_bytes = command.sample_bytes,
      .pages = command.scan.pages,
      .frees = command.outstanding};
  // Where few allocations are noted, each can have its stack.
  bool are_few = command.sample_bytes != 0 || !command.suspects.empty();
  if (command.all_stacks.value_or(are_few)) options.stacks_a_window = track::kAllStacks;
  if (!command.cgroup.empty()) options.only_cgroup = TRY(track::find_cgroup(command.cgroup));
  return options;
}

Result<void> track_until_end(track::Tracker& tracker, Session& session, const std::vector<std::string>& command,
                             const std::function<void()>& look, std::string_view then) {
  std::optional<Child> child;
  if (!command.empty()) child = TRY(Child::start(command));
  u64 before = 0, lost_stacks = 0;
  bool was_asked = false;
  for (u64 looks = 0; child ? !child->has_ended() : !is_interrupted(); ++looks) {
    if (child && is_interrupted() && !std::exchange(was_asked, true)) child->end();
    look();
    if (looks % kLooksALine == 0) {
      track::TrackCounts counts = tracker.counts();
      auto a_second = static_cast<u64>(static_cast<double>(counts.events - before) / (kNap * kLooksALine));
      session.step(line(counts, a_second, tracker.table_bytes(), child ? "" : then));
      before = counts.events;
      if (counts.lost_stacks != std::exchange(lost_stacks, counts.lost_stacks)) tracker.reclaim_stacks();
    }
    pause();
  }
  // What was asked for was the end of the tracking.
  if (is_interrupted()) take_interrupt();
  return {};
}

}  // namespace orphan::cli
