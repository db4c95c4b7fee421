// SPDX-License-Identifier: Apache-2.0
// CLI11 reports what is wrong with a command line by throwing; nothing it throws leaves this file, the only one that is
// compiled with exceptions.
#include "cli/options.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <sstream>

namespace orphan::cli {
namespace {

constexpr int kUsage = 2;
constexpr u64 kLongestSeconds = 7 * 24 * 3600;

const std::map<std::string, Format> kFormats{{"text", Format::Text}, {"kmemleak", Format::Kmemleak}, {"json", Format::Json}};
const std::map<std::string, Format> kAccountFormats{{"text", Format::Text}, {"json", Format::Json}};

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

void add_scan(CLI::App& app, ScanCommand& scan) {
  CLI::App* sub = app.add_subcommand("scan", "Take one look at the running kernel: several passes, then the report.");
  sub->add_option("target", scan.target, "what to look at: kernel")->check(CLI::IsMember({"kernel"}))->capture_default_str();
  sub->add_option_function<std::string>(
         "--format", [&scan](const std::string& name) { scan.format = kFormats.at(name); },
         "how the report is written: text, kmemleak, json")
      ->transform(CLI::IsMember(&kFormats, CLI::ignore_case).description(""))
      ->type_name("FORMAT")
      ->default_str("text");
  sub->add_option("--output", scan.output, "write the report to FILE, whole or not at all; else to standard output")
      ->check([](const std::string& name) { return std::string(name.empty() ? "needs the name of a file" : ""); })
      ->type_name("FILE");
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
  sub->footer(
      "Exit status: 0 no leaks, 1 leaks, 2 wrong usage, 3 could not look, 4 looked only in part and found nothing.\n"
      "Needs root and /proc/kcore. Nothing is written to the kernel.");
}

void add_account(CLI::App& app, AccountCommand& account) {
  CLI::App* sub =
      app.add_subcommand("account", "Say where the machine's memory is: one table that adds up to MemTotal, to the page.");
  sub->add_option_function<std::string>(
         "--format", [&account](const std::string& name) { account.format = kAccountFormats.at(name); },
         "how the account is written: text, json")
      ->transform(CLI::IsMember(&kAccountFormats, CLI::ignore_case).description(""))
      ->type_name("FORMAT")
      ->default_str("text");
  sub->add_option("--output", account.output, "write the account to FILE, whole or not at all; else to standard output")
      ->check([](const std::string& name) { return std::string(name.empty() ? "needs the name of a file" : ""); })
      ->type_name("FILE");
  sub->add_option("--top", account.top, "show so many caches, callers and owners in the text; JSON has all of them")
      ->check(whole_number(0, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  sub->footer(
      "Exit status: 0 whole, 2 wrong usage, 3 could not look, 4 looked only in part.\n"
      "Needs root and /proc/kcore. Nothing is written to the kernel.");
}

// CLI11 asks for a subcommand before it complains about what stands in the place of one.
std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  std::vector<std::string> left = app.remaining();
  if (left.empty() || !app.get_subcommands().empty()) return error.what();
  return fmt::format("{}: no such command or option", left.front());
}

}  // namespace

std::string version_text() {
  return fmt::format("orphan {} (libbpf {}.{}{})", ORPHAN_VERSION, libbpf_major_version(), libbpf_minor_version(),
                     ORPHAN_STATIC ? ", static" : "");
}

std::variant<ScanCommand, AccountCommand, Done> parse(int argc, char** argv) {
  CLI::App app{"Finds memory that is allocated and that nothing points to any more, in a kernel that is running.", "orphan"};
  app.set_version_flag("--version", version_text(), "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  ScanCommand scan;
  add_scan(app, scan);
  AccountCommand account;
  add_account(app, account);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) == 0) return Done{0, out.str()};
    return Done{kUsage, fmt::format("orphan: {}; see orphan --help\n", complaint(app, error))};
  }
  if (app.got_subcommand("account")) return account;
  return scan;
}

}  // namespace orphan::cli
