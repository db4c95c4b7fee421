// SPDX-License-Identifier: Apache-2.0
// `orphan trend`: read the samples of one boot, judge them, write what grows.
#include "cli/trend.h"

#include <algorithm>

#include "cli/session.h"
#include "watch/samples.h"
#include "watch/trend_model.h"
#include "watch/trend_report.h"

namespace orphan::cli {
namespace {

constexpr double kMillisecondsAnHour = 3.6e6;

// The samples that are looked at: of one boot, for what is allocated does not outlive it.
struct Span {
  u32 boot = 0;
  u64 boots = 0;             // that have samples
  std::vector<u32> at = {};  // indices of the samples' times
  std::vector<double> time_h = {};
};

// The last boot, or if that has too few samples as yet, the last one that has enough.
Span choose_span(const watch::Samples& samples, double since_h) {
  std::vector<u64> counts(samples.boots().size());
  for (const watch::SampleTime& time : samples.times()) ++counts[time.boot];
  Span span;
  span.boots = static_cast<u64>(std::ranges::count_if(counts, [](u64 count) { return count != 0; }));
  if (samples.times().empty()) return span;
  span.boot = samples.times().back().boot;
  for (const watch::SampleTime& time : samples.times()) {
    bool has_last_enough = counts[span.boot] >= watch::kFewestPoints;
    if (counts[time.boot] >= watch::kFewestPoints && (!has_last_enough || time.boot > span.boot)) span.boot = time.boot;
  }
  i64 last_ms = 0;
  for (const watch::SampleTime& time : samples.times()) {
    if (time.boot == span.boot) last_ms = std::max(last_ms, time.time_ms);
  }
  double first_ms = since_h > 0 ? static_cast<double>(last_ms) - since_h * kMillisecondsAnHour : 0;
  for (u32 i = 0; i < samples.times().size(); ++i) {
    const watch::SampleTime& time = samples.times()[i];
    if (time.boot != span.boot || static_cast<double>(time.time_ms) < first_ms) continue;
    double hour = static_cast<double>(time.time_ms) / kMillisecondsAnHour;
    if (!span.time_h.empty() && hour <= span.time_h.back()) continue;
    span.at.push_back(i);
    span.time_h.push_back(hour);
  }
  return span;
}

Result<std::vector<watch::TrendInput>> read_inputs(watch::Samples& samples, const Span& span) {
  std::vector<u32> ids;
  std::vector<watch::TrendInput> inputs;
  for (const watch::Series& series : samples.series()) {
    if (!watch::is_needed(series) || (series.boot && *series.boot != span.boot)) continue;
    ids.push_back(series.id);
    inputs.push_back({.series = series});
  }
  const std::vector<watch::Values> all = TRY(samples.read(ids));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const watch::Values& values = all[i];
    for (std::size_t j = 0; j < values.at.size(); ++j) {
      const auto found = std::ranges::lower_bound(span.at, values.at[j]);
      if (found == span.at.end() || *found != values.at[j]) continue;
      inputs[i].at.push_back(static_cast<u32>(found - span.at.begin()));
      inputs[i].values.push_back(static_cast<double>(values.values[j]));
    }
  }
  return inputs;
}

Result<watch::TrendReport> look(const TrendCommand& command, Session& session) {
  TRY(session.check(command.output));
  session.step("reading samples");
  watch::Samples samples = TRY(watch::Samples::open(command.store));
  Span span = choose_span(samples, command.since_h);
  if (span.at.empty()) return Error(ErrorCode::NotFound, command.store + ": there are no samples in it as yet");
  const std::vector<watch::TrendInput> inputs = TRY(read_inputs(samples, span));
  session.step("looking for trends");
  watch::TrendReport report;
  const watch::Origin& origin = samples.boots()[span.boot];
  report.host = origin.host;
  report.release = origin.release;
  report.boot_id = origin.boot_id;
  report.version = ORPHAN_VERSION;
  report.from_ms = samples.times()[span.at.front()].time_ms;
  report.to_ms = samples.times()[span.at.back()].time_ms;
  report.samples = span.at.size();
  report.other_boots = span.boots - 1;
  report.choice = {.threshold = command.threshold, .min_bytes_a_day = static_cast<double>(command.min_bytes_a_day)};
  watch::judge_all(report, span.time_h, inputs);
  return report;
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
