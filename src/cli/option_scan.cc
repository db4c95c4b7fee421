// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "cli/option_commands.h"
#include "cli/option_kinds.h"
#include "kernel/source.h"

namespace orphan::cli {
namespace {

constexpr u64 kLongestPeriod = 4'294'967;  // as milliseconds it fits 32 bits

std::string complaint_about_target(const std::string& target) {
  if (target == "kernel" || (target.starts_with(kCorePrefix) && target.size() > kCorePrefix.size())) return {};
  return fmt::format("'{}' is neither kernel nor core:FILE", target);
}

// As the kernel and every tool prints addresses: hexadecimal digits, with or without 0x. A per-CPU cookie is a small one.
std::optional<u64> parse_address(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  u64 value{};
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  bool is_address = error == std::errc() && stop == text.data() + text.size();
  return is_address ? std::optional(value) : std::nullopt;
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

}  // namespace

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
  add_metrics(sub, serve.metrics);
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

}  // namespace orphan::cli
