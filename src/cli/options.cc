// SPDX-License-Identifier: Apache-2.0
// CLI11 reports what is wrong with a command line by throwing; nothing it throws leaves this file.
#include "cli/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <sstream>
#include <utility>

#include "cli/option_commands.h"
#include "cli/rules.h"
#include "cli/version.h"

namespace orphan::cli {
namespace {

constexpr int kUsage = 2;
constexpr u64 kMostSampleBytes = 1 << 30;

constexpr const char* kNoTerminal =
    "orphan: --format=pprof: a profile is nothing for a terminal: give --output FILE, or redirect it\n";

// CLI11 asks for a subcommand before it complains about what stands in the place of one.
std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  std::vector<std::string> left = app.remaining();
  if (left.empty() || !app.get_subcommands().empty()) return error.what();
  return fmt::format("{}: no such command or option", left.front());
}

bool is_for_no_terminal(Format format, const std::string& output) {
  return format == Format::Pprof && output.empty() && ::isatty(STDOUT_FILENO) != 0;
}

Command checked(ReportCommand report) {
  if (report.diff && report.files.size() != 2)
    return Done{kUsage, "orphan: --diff: takes two FILEs, the older one first; see orphan report --help\n"};
  if (report.diff && report.format != Format::Text && report.format != Format::Json)
    return Done{kUsage, "orphan: --format: with --diff it is text or json; see orphan report --help\n"};
  if (is_for_no_terminal(report.format, report.output)) return Done{kUsage, kNoTerminal};
  return report;
}

Command checked(SlubTraceCommand trace) {
  if (trace.logs.empty() && trace.live.empty())
    return Done{kUsage, "orphan: slub-trace: give it a LOG, or --live CACHE; see orphan slub-trace --help\n"};
  if (is_for_no_terminal(trace.format, trace.output)) return Done{kUsage, kNoTerminal};
  return trace;
}

Command checked(PlotCommand plot) {
  for (auto [one, other] :
       {std::pair(&plot.svg, &plot.png), std::pair(&plot.png, &plot.html), std::pair(&plot.html, &plot.svg)}) {
    if (!one->empty() && *one == *other)
      return Done{kUsage, fmt::format("orphan: plot: {} cannot be two kinds of file; see orphan plot --help\n", *one)};
  }
  return plot;
}

Command checked(WatchCommand watch, const CLI::App& sub) {
  if (sub.count("--retry") != 0 && watch.upload.empty() && watch.alarm.empty())
    return Done{kUsage, "orphan: --retry: it is for --upload or --alarm; see orphan watch --help\n"};
  return watch;
}

ServeCommand completed(ServeCommand serve, const CLI::App& sub) {
  serve.has_period = sub.count("--period") != 0;
  serve.has_min_age = sub.count("--min-age") != 0;
  if (serve.bind_over && serve.bind_over->empty()) serve.bind_over = "/sys/kernel/debug/kmemleak";
  return serve;
}

Command checked(TrackCommand track) {
  if (is_for_no_terminal(track.scan.format, track.scan.output)) return Done{kUsage, kNoTerminal};
  if (track.sample_bytes > kMostSampleBytes)
    return Done{kUsage, "orphan: --sample-bytes: 1G is the most; without large allocations there would be no notes at all\n"};
  if (track.outstanding && track.scan.format == Format::Kmemleak)
    return Done{kUsage, "orphan: --format: with --outstanding it is text, json or pprof; see orphan track --help\n"};
  return track;
}

Command checked(ScanCommand scan) {
  if (is_for_no_terminal(scan.format, scan.output)) return Done{kUsage, kNoTerminal};
  bool is_recording = scan.target.starts_with(kCorePrefix);
  if (!scan.notes.empty() && is_recording)
    return Done{kUsage, "orphan: --notes: they are of the running kernel, and a recording is not; see orphan --help\n"};
  if (!scan.record.empty() && is_recording)
    return Done{kUsage, fmt::format("orphan: --record: {} is a recording already; see orphan --help\n", scan.target)};
  if (scan.list_rules) return Done{0, rules_text()};
  return scan;
}

}  // namespace

Command parse(int argc, char** argv) {
  CLI::App app{"Finds memory that is allocated and that nothing points to any more, in a kernel that is running.", "orphan"};
  app.set_version_flag("--version", version_text(), "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  ScanCommand scan;
  add_scan(app, scan);
  WhoCommand who;
  add_who(app, who);
  AccountCommand account;
  add_account(app, account);
  TrackCommand track;
  add_track(app, track);
  ServeCommand serve;
  add_serve(app, serve);
  CtlCommand ctl;
  add_ctl(app, ctl);
  WatchCommand watch;
  add_watch(app, watch);
  ReportCommand report;
  add_report(app, report);
  SlubTraceCommand slub_trace;
  add_slub_trace(app, slub_trace);
  TrendCommand trend;
  add_trend(app, trend);
  PlotCommand plot;
  add_plot(app, plot);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) == 0) return Done{0, out.str()};
    return Done{kUsage, fmt::format("orphan: {}; see orphan --help\n", complaint(app, error))};
  }
  if (app.got_subcommand("report")) return checked(std::move(report));
  if (app.got_subcommand("slub-trace")) return checked(std::move(slub_trace));
  if (app.got_subcommand("who")) return who;
  if (app.got_subcommand("serve")) return completed(std::move(serve), *app.get_subcommand("serve"));
  if (app.got_subcommand("ctl")) return ctl;
  if (app.got_subcommand("watch")) return checked(std::move(watch), *app.get_subcommand("watch"));
  if (app.got_subcommand("trend")) return trend;
  if (app.got_subcommand("plot")) return checked(std::move(plot));
  if (app.got_subcommand("track")) return checked(std::move(track));
  if (app.got_subcommand("account")) return account;
  return checked(std::move(scan));
}

}  // namespace orphan::cli
