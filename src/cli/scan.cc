// SPDX-License-Identifier: Apache-2.0
// `orphan scan`: open the target, scan it, write the report.
#include "cli/scan.h"

#include <algorithm>

#include "base/fd.h"
#include "cli/interrupt.h"
#include "cli/session.h"
#include "kernel/scan.h"
#include "report/json.h"
#include "report/kmemleak.h"
#include "report/text.h"

namespace orphan::cli {
namespace {

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

Result<std::vector<SuppressionRule>> read_suppressions(const std::vector<std::string>& files) {
  std::vector<SuppressionRule> all;
  for (const std::string& file : files) {
    std::string text = TRY(read_file(file));
    auto rules = TRY(parse_suppressions(text, file));
    for (SuppressionRule& rule : rules) all.push_back(std::move(rule));
  }
  return all;
}

Result<Report> look(const ScanCommand& command, Session& session) {
  TRY(session.check(command.output));
  auto suppressions = TRY(read_suppressions(command.suppressions));
  auto target = TRY(session.open_kernel());
  kernel::ScanOptions options{.max_passes = command.passes,
                              .interval_s = command.interval_s,
                              .min_age_s = command.min_age_s,
                              .max_objects = command.max_objects,
                              .suppressions = std::move(suppressions),
                              .version = ORPHAN_VERSION};
  kernel::ScanHooks hooks{
      .keep_going = session.keep_going(), .wait = wait_seconds, .progress = [&](const std::string& what) { session.step(what); }};
  return kernel::scan(*target, options, hooks);
}

}  // namespace

int run_scan(const ScanCommand& command) {
  Session session;
  Result<Report> report = look(command, session);
  if (!report) return session.fail(report.error());
  return session.finish(command.output, print(*report, command.format), status_of(*report));
}

}  // namespace orphan::cli
