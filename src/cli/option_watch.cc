// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/option_commands.h"
#include "cli/option_kinds.h"

namespace orphan::cli {
namespace {

// When a series grows.
void add_judging(CLI::App* sub, u64& min_bytes_a_day, double& threshold) {
  add_size(sub, "--min-rate", min_bytes_a_day, "what grows by less a day is flat; by default 1M");
  sub->add_option("--threshold", threshold,
                  "so many standard errors a slope has to be above 0; docs/trend.md has what that means")
      ->check(number<double>("a number", 1, 100))
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace

void add_watch(CLI::App& app, WatchCommand& watch) {
  CLI::App* sub = app.add_subcommand(
      "watch",
      "Sample what the kernel, processes and cgroups use, for days, into one small file; or read logs into such a file.");
  CLI::Option* store = sub->add_option("--store", watch.store, "the file of samples; one that is there is gone on with")
                           ->check(complaint_about_name)
                           ->type_name("FILE")
                           ->capture_default_str();
  sub->add_option("--interval", watch.interval_s, "seconds between two samples")
      ->check(number<double>("a number of seconds", 1, kLongestSeconds))
      ->type_name("SECONDS")
      ->capture_default_str();
  sub->add_option("--samples", watch.samples, "end after so many; by default it goes on until ^C or SIGTERM")
      ->check(whole_number(1, 1'000'000'000))
      ->type_name("N");
  sub->add_option("--top", watch.top, "of processes and cgroups, keep series of the N largest, and of those that grow")
      ->check(whole_number(0, 100'000))
      ->type_name("N")
      ->capture_default_str();
  add_size(sub, "--max-size", watch.max_bytes, "keep the file this small: the oldest samples get sparse, none is cut off");
  sub->add_option("--segment", watch.segment_s, "a segment is finished, and can be exported, after so many seconds")
      ->check(number<double>("a number of seconds", 1, kLongestSeconds))
      ->type_name("SECONDS")
      ->capture_default_str();
  CLI::Option* directory =
      sub->add_option("--export", watch.export_directory, "write each segment that is finished to a file in DIR")
          ->check(complaint_about_name)
          ->type_name("DIR");
  sub->add_option("--upload", watch.upload,
                  "run COMMAND with each file in DIR, put in place of {} or behind it, and remove the file when it succeeds")
      ->check(complaint_about_name)
      ->type_name("COMMAND")
      ->needs(directory);
  sub->add_option("--retry", watch.retry_s,
                  "seconds until an upload or alarm that failed is tried again; twice as many after each failure")
      ->check(number<double>("a number of seconds", 1, kLongestSeconds))
      ->type_name("SECONDS")
      ->capture_default_str();
  add_judging(sub, watch.min_bytes_a_day, watch.threshold);
  sub->add_option("--alarm", watch.alarm,
                  "run COMMAND when something begins to leak, and when it does not any more, with JSON on its standard input")
      ->check(complaint_about_name)
      ->type_name("COMMAND");
  add_metrics(sub, watch.metrics);
  sub->add_option("--root", watch.root, "look at DIR/proc, DIR/sys and DIR/run, as from a container that has the host's there")
      ->check(complaint_about_name)
      ->type_name("DIR");
  CLI::Option* import = sub->add_option("--import", watch.import,
                                        "make a new file of samples out of text logs, or files of --export; names may follow")
                            ->check(complaint_about_name)
                            ->type_name("FILE")
                            ->expected(1, -1)
                            ->needs(store);
  for (const char* option : {"--interval", "--samples", "--top", "--max-size", "--segment", "--export", "--upload", "--root",
                             "--alarm", "--metrics", "--min-rate", "--threshold"})
    import->excludes(sub->get_option(option));
  sub->footer(
      "Exit status: 0 ended, 2 wrong usage, 3 could not begin, 4 lines of an imported log were not understood.\n"
      "Without root it samples what may be read, and names the rest once. Nothing is written to the kernel.");
}

void add_trend(CLI::App& app, TrendCommand& trend) {
  CLI::App* sub =
      app.add_subcommand("trend", "Say what grows, from the samples of orphan watch: how fast, since when, and until when.");
  add_path(sub, "--store", "FILE", trend.store, "the file of samples");
  add_format(sub, kAnswerFormats, trend.format, "how the answer is written: text, json");
  add_output(sub, trend.output);
  add_duration(sub, "--since", trend.since_h, "by default all since the last boot is looked at; else the last so long");
  add_judging(sub, trend.min_bytes_a_day, trend.threshold);
  sub->add_option("--top", trend.top, "show so many series that are not flat in the text; JSON has all of them")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  sub->add_flag("--alarm", trend.alarm, "let the exit status say whether something leaks");
  sub->footer(
      "Exit status: 0 done, 2 wrong usage, 3 could not read. With --alarm: 0 nothing grows, 1 something leaks, 2 wrong usage,\n"
      "3 could not read, 4 not enough data. Nothing but the file is read.");
}

void add_plot(CLI::App& app, PlotCommand& plot) {
  CLI::App* sub = app.add_subcommand(
      "plot",
      "Draw the samples of orphan watch over time: free memory, and what grows. In the terminal, unless a FILE is given.");
  add_path(sub, "--store", "FILE", plot.store, "the file of samples");
  add_path(sub, "--html", "FILE", plot.html,
           "make FILE a page with charts to zoom in and the table of verdicts; it needs no network");
  add_path(sub, "--svg", "FILE", plot.svg, "make FILE a picture, of lines");
  add_path(sub, "--png", "FILE", plot.png, "make FILE a picture, of pixels");
  add_duration(sub, "--since", plot.since_h, "by default all since the last boot is drawn; else the last so long");
  add_list(sub, "--series", "NAME", plot.series, "draw the series that have NAME in their names, and no others");
  sub->add_option("--top", plot.top, "of what grows, draw so many series")
      ->check(whole_number(1, 50))
      ->type_name("N")
      ->capture_default_str();
  add_size(sub, "--min-rate", plot.min_bytes_a_day, "what grows by less a day is flat; by default 1M");
  sub->footer("Exit status: 0 drawn, 2 wrong usage, 3 could not read or write. Nothing but the file of samples is read.");
}

}  // namespace orphan::cli
