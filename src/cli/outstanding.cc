// SPDX-License-Identifier: Apache-2.0
// `orphan track --outstanding`: note allocations and frees, and list what is left. It takes BPF only: the kernel's memory is not
// read, and nothing is known of who still uses a block.
#include "cli/outstanding.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>

#include "base/verify.h"
#include "cli/interrupt.h"
#include "cli/session.h"
#include "cli/source_lines.h"
#include "cli/tracking.h"
#include "kernel/images.h"
#include "kernel/proc_modules.h"
#include "report/outstanding.h"
#include "track/coverage.h"
#include "track/outstanding.h"

namespace orphan::cli {
namespace {

constexpr double kShortest = 0.3;  // seconds in which the kernel's clock shows how fast it is

std::string release_of_machine() {
  utsname names{};
  return ::uname(&names) == 0 ? names.release : "";
}

double seconds_between(const track::Moment& from, const track::Moment& to) {
  return static_cast<double>(to.ns - from.ns) / 1e9;
}

Result<OutstandingReport> look(const TrackCommand& command, Session& session) {
  TRY(session.check(command.scan.output));
  session.step("reading the kernel's symbols");
  auto symbols = TRY(kernel::Symbols::from_proc());
  session.step("loading the programs that note allocations and frees");
  auto options = TRY(track_options(command));
  auto tracker = TRY(track::Tracker::start(options));
  track::Moment start = TRY(tracker->now());
  OutstandingReport report{.version = ORPHAN_VERSION, .release = release_of_machine(), .started_unix_s = std::time(nullptr)};
  kernel::ProcModuleWatch modules(symbols, kernel::read_text);
  modules.look();
  TRY(track_until_end(*tracker, session, command.command, [&] { modules.look(); }, "what is outstanding is listed"));
  modules.look();
  track::Moment end = TRY(tracker->now());
  if (seconds_between(start, end) < kShortest) {
    wait_seconds(kShortest);
    end = TRY(tracker->now());
  }
  tracker->stop();
  track::add_loaded_modules(*tracker, symbols);
  report.target = "kernel " + report.release;
  report.seconds = seconds_between(start, end);
  report.min_age_s = command.scan.min_age_s;
  report.allocations = tracker->counts().events;
  report.groups = track::outstanding_groups({.tracker = *tracker,
                                             .symbols = symbols,
                                             .end = end,
                                             .ticks = track::ticks_a_second(start, end),
                                             .min_age_s = command.scan.min_age_s});
  report.images = kernel::images_of(report.groups, {}, modules.build_ids(), kernel::read_text);
  report.coverage = track::coverage_of(*tracker);
  add_source_lines(report, command.scan.debug_directories);
  return report;
}

std::string print(const OutstandingReport& report, Format format) {
  switch (format) {
    case Format::Json: return to_json(report);
    case Format::Pprof: return to_pprof(report);
    case Format::Kmemleak:
    case Format::Text: return to_text(report);
  }
  bug("no such format");
}

}  // namespace

int run_outstanding(const TrackCommand& command) {
  Session session;
  auto report = look(command, session);
  if (!report) return session.fail(report.error());
  return session.finish(command.scan.output, print(*report, command.scan.format), report->groups.empty() ? kClean : kLeaks);
}

}  // namespace orphan::cli
