// SPDX-License-Identifier: Apache-2.0
// CLI11 reports what is wrong with a command line by throwing; nothing it throws leaves this file, the only one that is
// compiled with exceptions.
#include "cli/options.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <sstream>

namespace orphan::cli {
namespace {

constexpr int kUsage = 2;
constexpr double kLongestSeconds = 7 * 24 * 3600;

const std::map<std::string, Format> kFormats{{"text", Format::Text}, {"kmemleak", Format::Kmemleak}, {"json", Format::Json}};

void add_scan(CLI::App& app, ScanCommand& scan) {
  CLI::App* sub = app.add_subcommand("scan", "Take one look at the running kernel: several passes, then the report.");
  sub->add_option("target", scan.target, "what to look at: kernel")->check(CLI::IsMember({"kernel"}))->capture_default_str();
  sub->add_option("--format", scan.format, "how the report is written: text, kmemleak, json")
      ->transform(CLI::CheckedTransformer(kFormats, CLI::ignore_case).description(""))
      ->type_name("FORMAT")
      ->default_str("text");
  sub->add_option("--output", scan.output, "write the report to FILE, whole or not at all; else to standard output")
      ->type_name("FILE");
  sub->add_option("--passes", scan.passes, "at most so many passes; they end when two agree on the candidates")
      ->check(CLI::Range(2U, 1000U))
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--interval", scan.interval_s, "seconds between two passes")
      ->check(CLI::Range(0.0, kLongestSeconds))
      ->type_name("SECONDS")
      ->capture_default_str();
  sub->add_option("--min-age", scan.min_age_s, "a leak has been unreferenced for at least so many seconds")
      ->check(CLI::Range(0.0, kLongestSeconds))
      ->type_name("SECONDS")
      ->capture_default_str();
  sub->add_option("--max-objects", scan.max_objects, "list at most so many single objects; totals are always exact")
      ->check(CLI::Range(u64{0}, u64{1'000'000'000}))
      ->type_name("N")
      ->capture_default_str();
  sub->footer(
      "Exit status: 0 no leaks, 1 leaks, 2 wrong usage, 3 could not look, 4 looked only in part and found nothing.\n"
      "Needs root and /proc/kcore. Nothing is written to the kernel.");
}

}  // namespace

std::string version_text() {
  return fmt::format("orphan {} (libbpf {}.{}{})", ORPHAN_VERSION, libbpf_major_version(), libbpf_minor_version(),
                     ORPHAN_STATIC ? ", static" : "");
}

std::variant<ScanCommand, Done> parse(int argc, char** argv) {
  CLI::App app{"Finds memory that is allocated and that nothing points to any more, in a kernel that is running.", "orphan"};
  app.set_version_flag("--version", version_text(), "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  ScanCommand scan;
  add_scan(app, scan);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) == 0) return Done{0, out.str()};
    return Done{kUsage, fmt::format("orphan: {}; see orphan --help\n", error.what())};
  }
  return scan;
}

}  // namespace orphan::cli
