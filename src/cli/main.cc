// SPDX-License-Identifier: Apache-2.0
// Reads the command line, runs the subcommand, exits with its status.
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "cli/account.h"
#include "cli/outstanding.h"
#include "cli/plot.h"
#include "cli/report.h"
#include "cli/scan.h"
#include "cli/serve.h"
#include "cli/session.h"
#include "cli/slub_trace.h"
#include "cli/track.h"
#include "cli/trend.h"
#include "cli/watch.h"
#include "cli/who.h"

int main(int argc, char** argv) {
  using namespace orphan::cli;
  libbpf_set_print(nullptr);  // what it complains about is in our own error
  auto command = parse(argc, argv);
  if (const Done* done = std::get_if<Done>(&command)) {
    if (done->status != 0) {
      fmt::print(stderr, "{}", done->text);
      return done->status;
    }
    auto written = orphan::write_stdout(done->text);
    if (!written) fmt::print(stderr, "orphan: {}\n", written.error().text());
    return written ? 0 : kCouldNotLook;
  }
  if (const WhoCommand* who = std::get_if<WhoCommand>(&command)) return run_who(*who);
  if (const AccountCommand* account = std::get_if<AccountCommand>(&command)) return run_account(*account);
  if (const TrackCommand* track = std::get_if<TrackCommand>(&command))
    return track->outstanding ? run_outstanding(*track) : run_track(*track);
  if (const ServeCommand* serve = std::get_if<ServeCommand>(&command)) return run_serve(*serve);
  if (const CtlCommand* ctl = std::get_if<CtlCommand>(&command)) return run_ctl(*ctl);
  if (const WatchCommand* watch = std::get_if<WatchCommand>(&command)) return run_watch(*watch);
  if (const ReportCommand* report = std::get_if<ReportCommand>(&command)) return run_report(*report);
  if (const SlubTraceCommand* trace = std::get_if<SlubTraceCommand>(&command)) return run_slub_trace(*trace);
  if (const TrendCommand* trend = std::get_if<TrendCommand>(&command)) return run_trend(*trend);
  if (const PlotCommand* plot = std::get_if<PlotCommand>(&command)) return run_plot(*plot);
  return run_scan(std::get<ScanCommand>(command));
}
