// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/option_commands.h"
#include "cli/option_kinds.h"

namespace orphan::cli {

void add_report(CLI::App& app, ReportCommand& report) {
  CLI::App* sub = app.add_subcommand(
      "report",
      "Read what others found: group it, rank it, compare it. Reports of kmemleak, kernel logs, page_owner, JSON of orphan.");
  sub->add_option("files", report.files, "text or JSON, also compressed with gzip or zstd; - is standard input")
      ->check(complaint_about_name)
      ->type_name("FILE")
      ->required()
      ->expected(1, -1);
  sub->add_flag("--diff", report.diff, "of two FILEs, the older one first: what is new, has grown, or has gone");
  sub->add_flag("-r,--recursive", report.recursive, "read all files in a FILE that is a directory, and below it");
  add_format(sub, kReportFormats, report.format, "how it is written: text, kmemleak, json, pprof");
  add_output(sub, report.output);
  sub->add_option("--top", report.top, "only so many groups, those with the most bytes; by default 25 in the text, else all")
      ->check(whole_number(1, 1'000'000'000))
      ->type_name("N");
  sub->add_option("--max-objects", report.max_objects, "keep at most so many single objects; totals are always exact")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  add_path(sub, "--kallsyms", "FILE", report.kallsyms,
           "name frames without a symbol by FILE, a /proc/kallsyms saved in that boot");
  add_path(sub, "--vmlinux", "FILE", report.vmlinux, "the same by FILE, and lines of source where it has debug information");
  add_list(sub, "--modules", "DIR", report.module_directories, "lines of source of modules, whose files are in DIR or below it");
  sub->footer(
      "Exit status: 0 no leaks in it, 1 leaks, 2 wrong usage, 3 could not read. With --diff 1 when something is new or has "
      "grown.\n"
      "What is not understood is told on standard error, with file and line, and passed over. Needs no root.");
}

void add_slub_trace(CLI::App& app, SlubTraceCommand& trace) {
  CLI::App* sub = app.add_subcommand(
      "slub-trace",
      "Say what stayed allocated by a kernel's log with a SLUB trace (slub_debug=T,CACHE), or by one that is taken now.");
  auto* logs =
      sub->add_option("logs", trace.logs, "in the order of their time, also compressed with gzip or zstd; - is standard input")
          ->check(complaint_about_name)
          ->type_name("LOG")
          ->expected(1, -1);
  auto is_cache = [](const std::string& name) {
    bool is_name = !name.empty() && !name.starts_with('.') && name.find('/') == std::string::npos;
    return is_name ? std::string() : fmt::format("'{}' is no name of a cache", name);
  };
  auto* live = sub->add_option("--live", trace.live, "no log: watch this cache of the running kernel")
                   ->check(is_cache)
                   ->type_name("CACHE")
                   ->excludes(logs);
  sub->add_option("--for", trace.live_s, "for so many seconds, or until ^C")
      ->check(seconds())
      ->type_name("SECONDS")
      ->capture_default_str()
      ->needs(live);
  add_path(sub, "--slabinfo", "FILE", trace.slabinfo, "sizes of objects, by FILE, a /proc/slabinfo saved on that machine");
  add_path(sub, "--kallsyms", "FILE", trace.kallsyms,
           "name frames without a symbol by FILE, a /proc/kallsyms saved in that boot");
  add_path(sub, "--vmlinux", "FILE", trace.vmlinux, "the same by FILE, and lines of source where it has debug information");
  add_list(sub, "--modules", "DIR", trace.module_directories, "lines of source of modules, whose files are in DIR or below it");
  add_format(sub, kTraceFormats, trace.format, "how it is written: text, json, pprof");
  add_output(sub, trace.output);
  sub->add_option("--top", trace.top, "show so many groups in the text; JSON has all of them")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  sub->footer(
      "Exit status: 0 nothing stayed allocated, 1 something did, 2 wrong usage, 3 could not read.\n"
      "What of a log is damaged is told on standard error, with file and line. Needs no root, but for --live.");
}

}  // namespace orphan::cli
