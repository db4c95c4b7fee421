// SPDX-License-Identifier: Apache-2.0
// `orphan trend`: read the samples of one boot, judge them, write what grows.
#include "cli/trend.h"

#include "cli/session.h"
#include "watch/trend_samples.h"

namespace orphan::cli {
namespace {

Result<watch::TrendReport> look(const TrendCommand& command, Session& session) {
  TRY(session.check(command.output));
  session.step("reading samples");
  const watch::TrendSamples samples = TRY(watch::read_trend_samples(command.store, command.since_h));
  session.step("looking for trends");
  return watch::judge(samples, {.threshold = command.threshold, .min_bytes_a_day = static_cast<double>(command.min_bytes_a_day)},
                      ORPHAN_VERSION);
}

int status_of(const watch::TrendReport& report) {
  if (watch::has_leak(report)) return kLeaks;
  return watch::has_verdict(report) ? kClean : kPartial;
}

}  // namespace

int run_trend(const TrendCommand& command) {
  Session session;
  Result<watch::TrendReport> report = look(command, session);
  if (!report) return session.fail(report.error());
  std::string text = command.format == Format::Json ? watch::to_json(*report) : watch::to_text(*report, command.top);
  return session.finish(command.output, text, command.alarm ? status_of(*report) : kClean);
}

}  // namespace orphan::cli
