// SPDX-License-Identifier: Apache-2.0
#include "watch/watcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "watch/alarms.h"
#include "watch/live_history.h"
#include "watch/live_trends.h"
#include "watch/segment_file.h"
#include "watch/watch_metrics.h"

namespace orphan::watch {
namespace {

// Between two looks at the clock, which may have gone on during a suspend, and at the upload.
constexpr double kNapSeconds = 1;

// A sample goes to the file, and to those who look at it now.
class Tee : public Sink {
 public:
  Tee(Store& store, LiveTrends& trends, WatchMetrics* metrics) : store_(store), trends_(trends), metrics_(metrics) {}
  void add(const Reading& reading) override {
    store_.add(reading);
    trends_.add(reading);
    if (metrics_ != nullptr) metrics_->add(reading);
  }
  bool has(Kind kind, std::string_view name) const override { return store_.has(kind, name); }

 private:
  Store& store_;
  LiveTrends& trends_;
  WatchMetrics* metrics_;
};

class Watcher {
 public:
  Watcher(const WatchOptions& options, const WatchHooks& hooks, Store store, std::string host)
      : options_(options),
        hooks_(hooks),
        store_(std::move(store)),
        sampler_(options.sampler),
        host_(std::move(host)),
        trends_(options.trends) {
    if (!options.alarm.empty()) alarms_.emplace(options.alarm, options.first_retry_s, hooks.notice);
  }

  Result<void> open_spool() {
    if (options_.export_directory.empty()) return {};
    TRY(make_directory(options_.export_directory));
    if (options_.upload.empty()) return {};
    uploads_.emplace(TRY(Uploads::create(
        {.directory = options_.export_directory, .command = options_.upload, .first_retry_s = options_.first_retry_s},
        hooks_.notice)));
    return {};
  }

  // What an earlier run has sampled of this boot is known, and what leaks by it is told.
  void recall(const std::string& boot_id) {
    hooks_.progress("reading the samples that there are");
    auto recalled = [&]() -> Result<void> {
      Samples samples = TRY(Samples::open(options_.path));
      return recall_samples(trends_, samples, boot_id);
    }();
    if (!recalled) hooks_.notice(fmt::format("{}: what leaks is looked for from now on only", recalled.error().text()));
    for (const auto& [id, row] : trends_.leaks()) tell({.event = LiveTrends::Event::Grows, .row = row}, hooks_.now());
  }

  void run() {
    auto interval_ms = static_cast<i64>(options_.sampler.interval_s * 1000);
    i64 next_ms = hooks_.now().boot_ms;
    while (!hooks_.is_stopped()) {
      sample();
      if (options_.samples != 0 && taken_ >= options_.samples) break;
      // At even distances. What passed in a suspend, or while a sample took its time, is left out.
      i64 now_ms = hooks_.now().boot_ms;
      i64 late = std::max<i64>(now_ms - next_ms, 0) / interval_ms;
      next_ms += (late + 1) * interval_ms;
      wait_until(next_ms);
    }
    // Another start goes on with the segment; what waited for room is written if there is some.
    said(storing_, store_.flush(), "the last samples are lost");
    if (alarms_ && alarms_->waiting() != 0) end_alarms();
  }

 private:
  // Something that works or does not, and is said when that changes.
  struct State {
    bool has_failed = false;
  };

  // True: it works now and did not before.
  bool said(State& state, const Result<void>& done, std::string_view what) {
    bool had_failed = std::exchange(state.has_failed, !done);
    if (!done && !had_failed) hooks_.notice(fmt::format("{}: {}", done.error().text(), what));
    return done && had_failed;
  }

  void wait_until(i64 next_ms) {
    while (!hooks_.is_stopped()) {
      i64 now_ms = hooks_.now().boot_ms;
      if (uploads_) uploads_->poll(now_ms);
      if (alarms_) alarms_->poll(now_ms);
      if (now_ms >= next_ms) return;
      hooks_.progress(fmt::format("{} samples of {} series in {}; the next in {} s, ^C ends", taken_, store_.series(),
                                  options_.path, (next_ms - now_ms + 999) / 1000));
      // While a command runs its end is looked for more often.
      bool is_running = (uploads_ && uploads_->is_running()) || (alarms_ && alarms_->is_running());
      double nap_s = is_running ? kNapSeconds / 5 : kNapSeconds;
      hooks_.wait(std::min(nap_s, static_cast<double>(next_ms - now_ms) / 1000));
    }
  }

  void sample() {
    hooks_.progress("taking a sample");
    Stamp stamp = hooks_.now();
    Tee tee(store_, trends_, hooks_.publish ? &metrics_ : nullptr);
    sampler_.sample(tee);
    auto stored = store_.end(stamp);
    ++taken_;
    u64 lost = store_.lost();
    if (said(storing_, stored, "samples wait in memory")) {
      hooks_.notice(lost == lost_ ? "samples are stored again, and none is lost"
                                  : fmt::format("samples are stored again; {} are lost", lost - lost_));
      lost_ = lost;
    }
    std::vector<std::string> skipped = sampler_.take_skipped();
    if (!skipped.empty()) hooks_.notice(fmt::format("not sampled: {}", fmt::join(skipped, "; ")));
    if (said(exporting_, export_segments(), "it is tried again with the next sample"))
      hooks_.notice("segments are exported again");
    said(thinning_, make_room(stamp.wall_ms), "the file gets larger");
    for (const LiveTrends::Change& change : trends_.end(stamp.boot_ms)) tell(change, stamp);
    if (!hooks_.publish) return;
    u64 waiting = alarms_ ? alarms_->waiting() : 0;
    hooks_.publish(
        metrics_.take(trends_, {.samples = taken_, .lost = store_.lost(), .waiting_alarms = waiting, .wall_ms = stamp.wall_ms}));
  }

  void tell(const LiveTrends::Change& change, const Stamp& stamp) {
    hooks_.notice(to_line(change));
    if (alarms_) alarms_->add(to_json(change, host_, stamp.wall_ms));
  }

  // What is left at the end gets a moment, unless the command failed before.
  void end_alarms() {
    constexpr int kLooks = 50;
    for (int i = 0; i < kLooks && alarms_->waiting() != 0 && !hooks_.is_stopped(); ++i) {
      alarms_->poll(hooks_.now().boot_ms);
      if (alarms_->is_running()) hooks_.wait(kNapSeconds / 10);
    }
    if (u64 waiting = alarms_->waiting()) hooks_.notice(fmt::format("alarm: {} not taken by the command", waiting));
  }

  Result<void> export_segments() {
    if (options_.export_directory.empty()) return {};
    for (i64 segment : TRY(store_.unexported())) {
      TRY(write_segment(store_.database(), segment, options_.export_directory));
      TRY(store_.mark_exported(segment));
      if (uploads_) uploads_->wake();
    }
    return {};
  }

  Result<void> make_room(i64 now_ms) {
    TRY(store_.make_room(now_ms));
    if (store_.is_too_large())
      return Error(ErrorCode::Io, fmt::format("{} is larger than --max-size, and cannot be thinned any more", options_.path));
    return {};
  }

  const WatchOptions& options_;
  const WatchHooks& hooks_;
  Store store_;
  Sampler sampler_;
  std::string host_;
  LiveTrends trends_;
  WatchMetrics metrics_;
  std::optional<Uploads> uploads_;
  std::optional<Alarms> alarms_;
  State storing_, exporting_, thinning_;
  u64 taken_ = 0, lost_ = 0;
};

}  // namespace

Result<void> watch(const WatchOptions& options, const WatchHooks& hooks) {
  Origin origin = TRY(this_origin(options.sampler.root));
  Store store = TRY(Store::open(options.path, origin, options.store));
  Watcher watcher(options, hooks, std::move(store), origin.host);
  TRY(watcher.open_spool());
  watcher.recall(origin.boot_id);
  watcher.run();
  return {};
}

}  // namespace orphan::watch
