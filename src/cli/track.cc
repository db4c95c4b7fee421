// SPDX-License-Identifier: Apache-2.0
// `orphan track`: note allocations while a command runs or until ^C, then scan, with what was noted.
#include "cli/track.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/fd.h"
#include "base/new_file.h"
#include "cli/interrupt.h"
#include "cli/scan.h"
#include "cli/session.h"
#include "cli/source_lines.h"
#include "cli/tracking.h"
#include "kernel/modules.h"
#include "track/choice.h"
#include "track/coverage.h"
#include "track/saved_records.h"

namespace orphan::cli {
namespace {

constexpr double kSettle = 1.0;  // seconds for what is freed by RCU to be gone

class Track {
 public:
  Track(const TrackCommand& command, Session& session) : command_(command), session_(session) {}

  Result<Report> run() {
    TRY(session_.check(command_.scan.output));
    if (!command_.save.empty()) TRY(NewFile::create(command_.save, "the notes"));
    auto options = TRY(scan_options(command_.scan));
    auto suspects = TRY(read_suspects());
    auto target = TRY(session_.open_kernel(command_.scan.threads));
    session_.step("loading the programs that note allocations");
    auto choices = TRY(choose(*target, suspects));
    auto tracker = TRY(track::Tracker::start(choices));
    kernel::ModuleWatch modules(target->memory(), target->layouts().module, target->globals().modules, target->symbols(),
                                [&](std::string_view name) { return target->source().text(name); });
    modules.look();
    TRY(track_until_end(*tracker, session_, command_.command, [&] { modules.look(); }, "the scan begins"));
    modules.look();
    tracker->stop();
    track::add_loaded_modules(*tracker, target->symbols());
    options.records = &tracker->records();
    options.gone_modules = modules.build_ids();
    if (!command_.save.empty()) TRY(save(*tracker, *target, modules.build_ids()));
    wait_seconds(kSettle);
    auto report =
        kernel::scan(*target, options,
                     {.keep_going = session_.keep_going(), .wait = wait_seconds, .progress = [this](const std::string& what) {
                        session_.step(what);
                      }});
    if (!report) return report;
    for (Coverage& entry : track::coverage_of(*tracker)) report->coverage.push_back(std::move(entry));
    if (!unknown_.empty()) {
      report->coverage.push_back({.what = "suspects",
                                  .count = unknown_.size(),
                                  .why = fmt::format("not traced: this kernel has no such cache: {}", fmt::join(unknown_, ", ")),
                                  .incomplete = false});
    }
    add_source_lines(*report, command_.scan.debug_directories);
    return report;
  }

 private:
  Result<std::vector<std::string>> read_suspects() const {
    if (command_.suspects.empty()) return std::vector<std::string>();
    std::string text = TRY(read_file(command_.suspects));
    return track::suspects_in(text, command_.suspects);
  }

  Result<track::TrackOptions> choose(kernel::Target& target, const std::vector<std::string>& suspects) {
    auto options = TRY(track_options(command_));
    options.page_descriptors = target.memory().space().page_descriptors;
    options.linear_map = target.memory().space().linear_map;
    options.descriptor_bytes = target.layouts().page.size_bytes;
    if (suspects.empty() && command_.caches.empty()) return options;
    auto slub = TRY(kernel::read_caches(target.memory(), target.layouts(), target.globals().slub));
    std::vector<std::string> names = suspects;
    names.insert(names.end(), command_.caches.begin(), command_.caches.end());
    track::Choice choice = track::choose_caches(names, slub.caches);
    for (const std::string& name : choice.unknown) {
      if (std::ranges::find(command_.caches, name) == command_.caches.end()) continue;
      return Error(ErrorCode::Usage,
                   fmt::format("--cache: '{}' is no cache of this kernel: /proc/slabinfo has their names; others are "
                               "'large kmalloc', 'vmalloc' and 'per-cpu'",
                               name));
    }
    unknown_ = std::move(choice.unknown);
    if (unknown_.size() == names.size())
      return Error(ErrorCode::Usage,
                   command_.suspects + ": this kernel has none of its caches: is the report of another kernel?");
    options.wanted = std::move(choice.wanted);
    options.pages = options.pages && options.wanted->pages;
    return options;
  }

  Result<void> save(const track::Tracker& tracker, kernel::Target& target, const kernel::BuildIds& build_ids) const {
    session_.step("writing the notes");
    track::TrackCounts counts = tracker.counts();
    track::SavedFacts facts{.boot_id = TRY(boot_id(target.source())),
                            .release = target.release(),
                            .ended_unix_s = std::time(nullptr),
                            .events = counts.events,
                            .replaced = counts.replaced};
    auto tables = target.symbols().module_tables();
    return track::SavedRecords::write(command_.save, facts, tracker.records(), tables, build_ids);
  }

  const TrackCommand& command_;
  Session& session_;
  std::vector<std::string> unknown_;  // suspects
};

}  // namespace

int run_track(const TrackCommand& command) {
  Session session;
  Result<Report> report = Track(command, session).run();
  if (!report) return session.fail(report.error());
  return session.finish(command.scan.output, print(*report, command.scan), status_of(*report));
}

}  // namespace orphan::cli
