// SPDX-License-Identifier: Apache-2.0
// The commands' options: each function adds one to the command line, and says where its values go.
#pragma once
#include "cli/options.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace orphan::cli {

// option_scan.cc: what looks at the kernel.
void add_scan(CLI::App& app, ScanCommand& scan);
void add_track(CLI::App& app, TrackCommand& track);
void add_who(CLI::App& app, WhoCommand& who);
void add_account(CLI::App& app, AccountCommand& account);
void add_serve(CLI::App& app, ServeCommand& serve);
void add_ctl(CLI::App& app, CtlCommand& ctl);

// option_watch.cc: what looks at samples.
void add_watch(CLI::App& app, WatchCommand& watch);
void add_trend(CLI::App& app, TrendCommand& trend);
void add_plot(CLI::App& app, PlotCommand& plot);

// option_logs.cc: what reads what others have written.
void add_report(CLI::App& app, ReportCommand& report);
void add_slub_trace(CLI::App& app, SlubTraceCommand& trace);

}  // namespace orphan::cli
