// SPDX-License-Identifier: Apache-2.0
// `orphan scan`: open the target, scan it, write the report.
#include "cli/scan.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>

#include "cli/interrupt.h"
#include "kernel/scan.h"
#include "report/json.h"
#include "report/kmemleak.h"
#include "report/output.h"
#include "report/progress.h"
#include "report/text.h"

namespace orphan::cli {
namespace {

// The contract of the command line.
constexpr int kClean = 0, kLeaks = 1, kCouldNotLook = 3, kPartial = 4;

std::string print(const Report& report, Format format) {
  switch (format) {
    case Format::Text: return to_text(report);
    case Format::Kmemleak: return to_kmemleak(report);
    case Format::Json: return to_json(report);
  }
  bug("no such format");
}

int status_of(const Report& report) {
  if (!report.leaks.empty()) return kLeaks;
  bool is_partial = std::ranges::any_of(report.coverage, &Coverage::incomplete);
  return is_partial ? kPartial : kClean;
}

Result<Report> look(const ScanCommand& command, Progress& progress) {
  auto keep_going = [] { return !is_interrupted(); };
  auto target = TRY(kernel::Target::open(
      {}, {.keep_going = keep_going, .progress = [&](std::string_view what) { progress.step(std::string(what)); }}));
  kernel::ScanOptions options{.max_passes = command.passes,
                              .interval_s = command.interval_s,
                              .min_age_s = command.min_age_s,
                              .max_objects = command.max_objects,
                              .version = ORPHAN_VERSION};
  kernel::ScanHooks hooks{
      .keep_going = keep_going, .wait = wait_seconds, .progress = [&](const std::string& what) { progress.step(what); }};
  return kernel::scan(*target, options, hooks);
}

// NotMapped comes without a text. Here it means that what every kernel has cannot be read.
std::string why_not(const Error& error) {
  if (!error.text().empty()) return error.text();
  return "/proc/kcore: the kernel's own tables cannot be read from it: is it cut short, or that of another kernel?";
}

}  // namespace

int run_scan(const ScanCommand& command) {
  catch_interrupts();
  // While the kernel gathers pages of a process into a huge one, the copy looks like memory of its own, and is full of the
  // addresses that we hold.
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  auto progress = std::make_unique<Progress>();
  Result<Report> report = look(command, *progress);
  progress.reset();
  if (!report) {
    fmt::print(stderr, "orphan: {}\n", why_not(report.error()));
    return kCouldNotLook;
  }
  std::string text = print(*report, command.format);
  Result<void> written = command.output.empty() ? write_stdout(text) : write_output(command.output, text);
  if (!written) {
    fmt::print(stderr, "orphan: {}\n", written.error().text());
    return kCouldNotLook;
  }
  return status_of(*report);
}

}  // namespace orphan::cli
