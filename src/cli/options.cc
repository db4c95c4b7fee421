// SPDX-License-Identifier: Apache-2.0
// CLI11 reports what is wrong with a command line by throwing; nothing it throws leaves this file, the only one that is
// compiled with exceptions.
#include "cli/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <tuple>
#include <utility>

#include "cli/rules.h"
#include "cli/version.h"
#include "kernel/source.h"

namespace orphan::cli {
namespace {

constexpr int kUsage = 2;
constexpr u64 kMostSampleBytes = 1 << 30;
constexpr u64 kLongestSeconds = 7 * 24 * 3600;
constexpr u64 kLongestPeriod = 4'294'967;  // as milliseconds it fits 32 bits

constexpr const char* kNoTerminal =
    "orphan: --format=pprof: a profile is nothing for a terminal: give --output FILE, or redirect it\n";

using Formats = std::map<std::string, Format>;
const Formats kReportFormats{
    {"text", Format::Text}, {"kmemleak", Format::Kmemleak}, {"json", Format::Json}, {"pprof", Format::Pprof}};
const Formats kTraceFormats{{"text", Format::Text}, {"json", Format::Json}, {"pprof", Format::Pprof}};
const Formats kAnswerFormats{{"text", Format::Text}, {"json", Format::Json}};

// CLI11's own range check lets nan through, takes numbers for hexadecimal, and prints limits with six decimals.
template <typename T>
CLI::Validator number(std::string_view what, u64 low, u64 high) {
  auto check = [=](const std::string& text) {
    T value{};
    const char* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data(), end, value);
    bool is_number = error == std::errc() && stop == end;
    bool is_valid = is_number && value >= static_cast<T>(low) && value <= static_cast<T>(high);
    return is_valid ? "" : fmt::format("'{}' is not {} from {} to {}", text, what, low, high);
  };
  return {check, fmt::format("{} to {}", low, high)};
}

CLI::Validator whole_number(u64 low, u64 high) {
  return number<u64>("a whole number", low, high);
}

CLI::Validator seconds() {
  return number<double>("a number of seconds", 0, kLongestSeconds);
}

// "300M": a whole number of bytes, or of KiB, MiB or GiB with K, M or G behind it.
std::optional<u64> parse_size(std::string_view text) {
  constexpr u64 kMost = u64{1} << 50;
  u64 value{};
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit(stop, static_cast<std::size_t>(text.data() + text.size() - stop));
  if (error != std::errc() || unit.size() > 1) return std::nullopt;
  int shift = 0;
  if (!unit.empty()) {
    std::size_t found = std::string_view("KMG").find(unit[0]);
    if (found == std::string_view::npos) return std::nullopt;
    shift = 10 * static_cast<int>(found + 1);
  }
  return value == 0 || value > kMost >> shift ? std::nullopt : std::optional(value << shift);
}

std::string complaint_about_target(const std::string& target) {
  if (target == "kernel" || (target.starts_with(kCorePrefix) && target.size() > kCorePrefix.size())) return {};
  return fmt::format("'{}' is neither kernel nor core:FILE", target);
}

std::string complaint_about_name(const std::string& name) {
  return name.empty() ? "needs a name" : "";
}

// `formats` is one of the tables above: CLI11 keeps its address.
void add_format(CLI::App* sub, const Formats& formats, Format& format, const std::string& what) {
  sub->add_option_function<std::string>(
         "--format", [&](const std::string& name) { format = formats.at(name); }, what)
      ->transform(CLI::IsMember(&formats, CLI::ignore_case).description(""))
      ->type_name("FORMAT")
      ->default_str("text");
}

void add_output(CLI::App* sub, std::string& output) {
  sub->add_option("--output", output, "write the report to FILE, whole or not at all; else to standard output")
      ->check(complaint_about_name)
      ->type_name("FILE");
}

CLI::Option* add_size(CLI::App* sub, const std::string& name, u64& bytes, const std::string& what) {
  return sub
      ->add_option_function<std::string>(
          name, [&bytes](const std::string& text) { bytes = *parse_size(text); },
          what + ": bytes, or KiB, MiB, GiB with K, M, G behind the number")
      ->check([](const std::string& text) {
        return parse_size(text) ? std::string()
                                : fmt::format("'{}' is not a size, like 300M: a whole number, then K, M, G or nothing", text);
      })
      ->type_name("SIZE");
}

// An option that may be given more than once, each time with one value.
void add_list(CLI::App* sub, const std::string& name, const std::string& type, std::vector<std::string>& values,
              const std::string& what) {
  sub->add_option(name, values, what + "; may be given again")
      ->check(complaint_about_name)
      ->type_name(type)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// How a scan goes.
void add_passes(CLI::App* sub, ScanCommand& scan) {
  sub->add_option("--passes", scan.passes, "at most so many passes; they end when two agree on the candidates")
      ->check(whole_number(2, 1000))
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--interval", scan.interval_s, "seconds between two passes")
      ->check(seconds())
      ->type_name("SECONDS")
      ->capture_default_str();
  sub->add_option("--min-age", scan.min_age_s, "a leak has been unreferenced for at least so many seconds")
      ->check(seconds())
      ->type_name("SECONDS")
      ->capture_default_str();
  sub->add_option("--max-objects", scan.max_objects, "list at most so many single objects; totals are always exact")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  add_list(sub, "--suppressions", "FILE", scan.suppressions, "leave out what the rules in FILE match");
}

// What a scan that looks at the running kernel can be told.
void add_looking(CLI::App* sub, ScanCommand& scan) {
  add_format(sub, kReportFormats, scan.format, "how the report is written: text, kmemleak, json, pprof");
  add_output(sub, scan.output);
  add_passes(sub, scan);
  sub->add_option("--threads", scan.threads, "2: another thread reads ahead, where there is more than one CPU; 1: none does")
      ->check(whole_number(1, kernel::LiveSource::kMostThreads))
      ->type_name("N")
      ->capture_default_str();
  sub->add_flag(
      "--pages", scan.pages,
      "take pages of the page allocator for blocks, too: those that nothing refers to are listed apart, as possible leaks");
  add_list(sub, "--debug-dir", "DIR", scan.debug_directories,
           "look for debug information in DIR, too, before the places where distributions have it");
  sub->add_flag("--weak", scan.weak, "show the blocks that only weak references hold; JSON always has them");
}

void add_scan(CLI::App& app, ScanCommand& scan) {
  CLI::App* sub = app.add_subcommand("scan", "Take one look at the running kernel: several passes, then the report.");
  sub->add_option("target", scan.target, "what to look at: kernel, or core:FILE, a recording")
      ->check(complaint_about_target)
      ->type_name("TARGET")
      ->capture_default_str();
  add_looking(sub, scan);
  sub->add_option("--record", scan.record, "save what is read to FILE, from which orphan scan core:FILE makes the same report")
      ->check(complaint_about_name)
      ->type_name("FILE");
  sub->add_option("--notes", scan.notes, "who allocated what, out of a FILE of orphan track --save since the same boot")
      ->check(complaint_about_name)
      ->type_name("FILE")
      ->excludes(sub->get_option("--record"));
  add_size(sub, "--memory-limit", scan.memory_limit_bytes, "use at most so much memory, even if it takes longer")
      ->excludes(sub->get_option("--pages"));
  sub->add_flag("--list-rules", scan.list_rules, "print what is known of stock kernels, with reasons; nothing is scanned");
  sub->footer(
      "Exit status: 0 no leaks, 1 leaks, 2 wrong usage, 3 could not look, 4 looked only in part and found nothing.\n"
      "With --pages, pages that may be leaked count as leaks for it.\n"
      "Needs root and /proc/kcore. Nothing is written to the kernel. For a recording, neither is needed, and nothing is\n"
      "waited for.");
}

void add_track(CLI::App& app, TrackCommand& track) {
  CLI::App* sub = app.add_subcommand(
      "track", "Note who allocates what while a command runs, or until ^C; then scan, and show leaks with their stacks.");
  add_looking(sub, track.scan);
  add_size(sub, "--table-size", track.table_bytes, "memory for notes of allocations; by default 1/64 of the machine's");
  sub->add_option_function<std::string>(
         "--stacks", [&track](const std::string& text) { track.all_stacks = text == "all"; },
         "sampled: some of each call site's, so that busy ones cost little; all: of each allocation that is noted, which is the "
         "default with --suspects and --sample-bytes")
      ->check(CLI::IsMember({"sampled", "all"}))
      ->type_name("WHICH")
      ->default_str("sampled");
  add_list(sub, "--cache", "NAME", track.caches,
           "note only allocations from this cache, or 'large kmalloc', 'vmalloc', 'per-cpu'");
  sub->add_option("--suspects", track.suspects,
                  "note only allocations from the caches that leaked by REPORT, which orphan scan --format=json has written")
      ->check(complaint_about_name)
      ->type_name("REPORT");
  sub->add_option("--min-size", track.least_bytes, "note no kmalloc from slots of fewer bytes")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("BYTES");
  add_size(sub, "--sample-bytes", track.sample_bytes, "note one allocation for about so much allocated memory");
  sub->add_option("--cgroup", track.cgroup, "note only what tasks of this cgroup (v2) and those below it allocate")
      ->check(complaint_about_name)
      ->type_name("CGROUP");
  sub->add_option("--pid", track.pid, "note only what this process allocates, with all of its threads")
      ->check(whole_number(1, 1 << 30))
      ->type_name("PID");
  sub->add_option("--save", track.save, "write the notes to FILE, for orphan scan --notes FILE later")
      ->check(complaint_about_name)
      ->type_name("FILE");
  CLI::Option* outstanding = sub->add_flag("--outstanding", track.outstanding,
                                           "do not scan: note frees, too, and list by stack what was not freed; it takes no "
                                           "/proc/kcore, and cannot tell use from leak");
  for (const char* option : {"--cache", "--suspects", "--save", "--pages", "--weak", "--suppressions", "--passes", "--interval"})
    outstanding->excludes(sub->get_option(option));
  sub->add_option("command", track.command, "the command and its arguments, behind --")->type_name("CMD")->expected(1, -1);
  sub->footer(
      "The first ^C ends the tracking, and the scan begins; the next one ends the scan with what it has.\n"
      "Exit status: that of orphan scan, whatever the command's was.\n"
      "Needs root, /proc/kcore, and a kernel with BPF. Nothing of the kernel's is changed, and nothing stays in it.");
}

// As the kernel and every tool prints addresses: hexadecimal digits, with or without 0x. A per-CPU cookie is a small one.
std::optional<u64> parse_address(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  u64 value{};
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  bool is_address = error == std::errc() && stop == text.data() + text.size();
  return is_address ? std::optional(value) : std::nullopt;
}

void add_who(CLI::App& app, WhoCommand& who) {
  CLI::App* sub = app.add_subcommand(
      "who", "Say what block holds an address of the running kernel, who points at it, and how it is reached.");
  sub->add_option_function<std::vector<std::string>>(
         "address",
         [&who](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) who.addresses.push_back(*parse_address(text));
         },
         "hexadecimal; a per-CPU block: its cookie, or the address of a CPU's copy")
      ->check([](const std::string& text) {
        return parse_address(text) ? std::string() : fmt::format("'{}' is not a hexadecimal address", text);
      })
      ->type_name("ADDR")
      ->required();
  add_format(sub, kAnswerFormats, who.format, "how the answer is written: text, json");
  add_output(sub, who.output);
  sub->add_option("--max-referrers", who.max_referrers, "list at most so many of those who point at a block")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  sub->footer(
      "Exit status: 0 every address is in a live block that something refers to, 1 not all of them are, 2 wrong usage,\n"
      "3 could not look. Needs root and /proc/kcore. Nothing is written to the kernel.");
}

void add_account(CLI::App& app, AccountCommand& account) {
  CLI::App* sub =
      app.add_subcommand("account", "Say where the machine's memory is: one table that adds up to MemTotal, to the page.");
  add_format(sub, kAnswerFormats, account.format, "how the account is written: text, json");
  add_output(sub, account.output);
  sub->add_option("--top", account.top, "show so many caches, callers and owners in the text; JSON has all of them")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  sub->footer(
      "Exit status: 0 whole, 2 wrong usage, 3 could not look, 4 looked only in part.\n"
      "Needs root and /proc/kcore. Nothing is written to the kernel.");
}

void add_path(CLI::App* sub, const std::string& name, const std::string& type, std::string& path, const std::string& what) {
  sub->add_option(name, path, what)->check(complaint_about_name)->type_name(type)->capture_default_str();
}

void add_serve(CLI::App& app, ServeCommand& serve) {
  CLI::App* sub = app.add_subcommand(
      "serve", "Watch the running kernel: scan now and then, remember, and answer through a file like kmemleak's.");
  add_path(sub, "--mount", "DIR", serve.mount_point, "where the files are: kernel/kmemleak, leaks.json, status, log");
  add_path(sub, "--state", "DIR", serve.state_directory, "where it keeps what was reported and cleared");
  add_path(sub, "--socket", "PATH", serve.socket, "where orphan ctl finds it");
  sub->add_option("--group", serve.group, "let members of GROUP use the files and the socket, as root may")
      ->check(complaint_about_name)
      ->type_name("GROUP");
  sub->add_option("--bind", serve.bind_over, "put the control file over FILE, which must be there; without FILE, kmemleak's own")
      ->type_name("[FILE]")
      ->expected(0, 1);
  sub->add_option("--metrics", serve.metrics, "answer Prometheus on this port; of 127.0.0.1, unless an address is given")
      ->check(complaint_about_name)
      ->type_name("[ADDR:]PORT");
  sub->add_option("--first", serve.first_s, "seconds until the first scan")
      ->check(seconds())
      ->type_name("SECONDS")
      ->capture_default_str();
  sub->add_option("--period", serve.period_s, "seconds from the end of a scan to the start of the next")
      ->check(number<double>("a number of seconds", 1, kLongestPeriod))
      ->type_name("SECONDS")
      ->capture_default_str();
  add_passes(sub, serve.track.scan);
  sub->add_flag("--no-track", serve.does_not_track, "do not note who allocates: leaks have no stacks then");
  add_size(sub, "--table-size", serve.track.table_bytes, "memory for notes of allocations; by default 1/64 of the machine's");
  sub->footer(
      "Runs until SIGTERM or ^C. Exit status: 0 ended, 2 wrong usage, 3 could not start.\n"
      "Needs root, /proc/kcore, FUSE, and BPF unless --no-track is given. What it needs no rights for any more, it gives up.");
}

void add_ctl(CLI::App& app, CtlCommand& ctl) {
  CLI::App* sub = app.add_subcommand("ctl", "Tell a daemon what to do, in the words of its control file, and print its answer.");
  sub->add_option("words", ctl.words,
                  "clear, forget, scan, scan=on, scan=off, scan=SECONDS, stack=on, stack=off, age=SECONDS, dump=ADDR, why=ADDR, "
                  "status, off, on")
      ->type_name("WORDS")
      ->required()
      ->expected(1, -1);
  add_path(sub, "--socket", "PATH", ctl.socket, "of the daemon");
  sub->footer("Exit status: 0 done, 1 refused, 2 wrong usage, 3 no daemon answers.");
}

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
  CLI::Option* upload =
      sub->add_option("--upload", watch.upload,
                      "run COMMAND with each file in DIR, put in place of {} or behind it, and remove the file when it succeeds")
          ->check(complaint_about_name)
          ->type_name("COMMAND")
          ->needs(directory);
  sub->add_option("--retry", watch.retry_s,
                  "seconds until an upload that failed is tried again; twice as many after each failure")
      ->check(number<double>("a number of seconds", 1, kLongestSeconds))
      ->type_name("SECONDS")
      ->capture_default_str()
      ->needs(upload);
  sub->add_option("--root", watch.root, "look at DIR/proc, DIR/sys and DIR/run, as from a container that has the host's there")
      ->check(complaint_about_name)
      ->type_name("DIR");
  CLI::Option* import = sub->add_option("--import", watch.import,
                                        "make a new file of samples out of text logs, or files of --export; names may follow")
                            ->check(complaint_about_name)
                            ->type_name("FILE")
                            ->expected(1, -1)
                            ->needs(store);
  for (const char* option : {"--interval", "--samples", "--top", "--max-size", "--segment", "--export", "--upload", "--root"})
    import->excludes(sub->get_option(option));
  sub->footer(
      "Exit status: 0 ended, 2 wrong usage, 3 could not begin, 4 lines of an imported log were not understood.\n"
      "Without root it samples what may be read, and names the rest once. Nothing is written to the kernel.");
}

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
  for (auto [name, file, what] :
       {std::tuple("--kallsyms", &report.kallsyms, "name frames without a symbol by FILE, a /proc/kallsyms saved in that boot"),
        std::tuple("--vmlinux", &report.vmlinux, "the same by FILE, and lines of source where it has debug information")}) {
    sub->add_option(name, *file, what)->check(complaint_about_name)->type_name("FILE");
  }
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
  for (auto [name, file, what] :
       {std::tuple("--slabinfo", &trace.slabinfo, "sizes of objects, by FILE, a /proc/slabinfo saved on that machine"),
        std::tuple("--kallsyms", &trace.kallsyms, "name frames without a symbol by FILE, a /proc/kallsyms saved in that boot"),
        std::tuple("--vmlinux", &trace.vmlinux, "the same by FILE, and lines of source where it has debug information")}) {
    sub->add_option(name, *file, what)->check(complaint_about_name)->type_name("FILE");
  }
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

// "90m": a number with s, m, h or d behind it, in hours.
std::optional<double> parse_duration(std::string_view text) {
  constexpr std::string_view kUnits = "smhd";
  constexpr double kHours[] = {1.0 / 3600, 1.0 / 60, 1, 24};
  constexpr double kMost = 100 * 365 * 24;
  std::size_t unit = text.empty() ? kUnits.npos : kUnits.find(text.back());
  if (unit == kUnits.npos) return std::nullopt;
  double value{};
  const char* end = text.data() + text.size() - 1;
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !(value > 0)) return std::nullopt;
  double hours = value * kHours[unit];
  return hours <= kMost ? std::optional(hours) : std::nullopt;
}

void add_trend(CLI::App& app, TrendCommand& trend) {
  CLI::App* sub =
      app.add_subcommand("trend", "Say what grows, from the samples of orphan watch: how fast, since when, and until when.");
  add_path(sub, "--store", "FILE", trend.store, "the file of samples");
  add_format(sub, kAnswerFormats, trend.format, "how the answer is written: text, json");
  add_output(sub, trend.output);
  sub->add_option_function<std::string>(
         "--since", [&trend](const std::string& text) { trend.since_h = *parse_duration(text); },
         "look only at the last so long: a number with s, m, h or d; by default, at all since the last boot")
      ->check([](const std::string& text) {
        return parse_duration(text) ? std::string() : fmt::format("'{}' is not a duration, like 90m, 6h or 2d", text);
      })
      ->type_name("DURATION");
  add_size(sub, "--min-rate", trend.min_bytes_a_day, "what grows by less a day is flat; by default 1M");
  sub->add_option("--threshold", trend.threshold,
                  "so many standard errors a slope has to be above 0; docs/trend.md has what that means")
      ->check(number<double>("a number", 1, 100))
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--top", trend.top, "show so many series that are not flat in the text; JSON has all of them")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  sub->add_flag("--alarm", trend.alarm, "let the exit status say whether something leaks");
  sub->footer(
      "Exit status: 0 done, 2 wrong usage, 3 could not read. With --alarm: 0 nothing grows, 1 something leaks, 2 wrong usage,\n"
      "3 could not read, 4 not enough data. Nothing but the file is read.");
}

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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) == 0) return Done{0, out.str()};
    return Done{kUsage, fmt::format("orphan: {}; see orphan --help\n", complaint(app, error))};
  }
  for (const ScanCommand* command : {&scan, &track.scan}) {
    if (is_for_no_terminal(command->format, command->output)) return Done{kUsage, kNoTerminal};
  }
  if (app.got_subcommand("report")) return checked(std::move(report));
  if (app.got_subcommand("slub-trace")) return checked(std::move(slub_trace));
  if (app.got_subcommand("who")) return who;
  if (app.got_subcommand("serve")) {
    const CLI::App* sub = app.get_subcommand("serve");
    serve.has_period = sub->count("--period") != 0;
    serve.has_min_age = sub->count("--min-age") != 0;
    if (serve.bind_over && serve.bind_over->empty()) serve.bind_over = "/sys/kernel/debug/kmemleak";
    return serve;
  }
  if (app.got_subcommand("ctl")) return ctl;
  if (app.got_subcommand("watch")) return watch;
  if (app.got_subcommand("trend")) return trend;
  if (app.got_subcommand("track")) {
    if (track.sample_bytes > kMostSampleBytes)
      return Done{kUsage, "orphan: --sample-bytes: 1G is the most; without large allocations there would be no notes at all\n"};
    if (track.outstanding && track.scan.format == Format::Kmemleak)
      return Done{kUsage, "orphan: --format: with --outstanding it is text, json or pprof; see orphan track --help\n"};
    return track;
  }
  if (!scan.notes.empty() && scan.target.starts_with(kCorePrefix))
    return Done{kUsage, "orphan: --notes: they are of the running kernel, and a recording is not; see orphan --help\n"};
  if (!scan.record.empty() && scan.target.starts_with(kCorePrefix))
    return Done{kUsage, fmt::format("orphan: --record: {} is a recording already; see orphan --help\n", scan.target)};
  if (app.got_subcommand("account")) return account;
  if (scan.list_rules) return Done{0, rules_text()};
  return scan;
}

}  // namespace orphan::cli
