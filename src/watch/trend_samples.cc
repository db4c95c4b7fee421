// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_samples.h"

#include <algorithm>

#include "watch/trend_model.h"

namespace orphan::watch {
namespace {

constexpr double kMillisecondsAnHour = 3.6e6;

struct Span {
  u32 boot = 0;
  u64 boots = 0;             // that have samples
  std::vector<u32> at = {};  // indices of the samples' times
  std::vector<double> time_h = {};
};

Span choose_span(const Samples& samples, double since_h) {
  std::vector<u64> counts(samples.boots().size());
  for (const SampleTime& time : samples.times()) ++counts[time.boot];
  Span span;
  span.boots = static_cast<u64>(std::ranges::count_if(counts, [](u64 count) { return count != 0; }));
  if (samples.times().empty()) return span;
  span.boot = samples.times().back().boot;
  for (const SampleTime& time : samples.times()) {
    bool has_last_enough = counts[span.boot] >= kFewestPoints;
    if (counts[time.boot] >= kFewestPoints && (!has_last_enough || time.boot > span.boot)) span.boot = time.boot;
  }
  i64 last_ms = 0;
  for (const SampleTime& time : samples.times()) {
    if (time.boot == span.boot) last_ms = std::max(last_ms, time.time_ms);
  }
  double first_ms = since_h > 0 ? static_cast<double>(last_ms) - since_h * kMillisecondsAnHour : 0;
  for (u32 i = 0; i < samples.times().size(); ++i) {
    const SampleTime& time = samples.times()[i];
    if (time.boot != span.boot || static_cast<double>(time.time_ms) < first_ms) continue;
    double hour = static_cast<double>(time.time_ms) / kMillisecondsAnHour;
    if (!span.time_h.empty() && hour <= span.time_h.back()) continue;
    span.at.push_back(i);
    span.time_h.push_back(hour);
  }
  return span;
}

Result<std::vector<TrendInput>> read_inputs(Samples& samples, const Span& span) {
  std::vector<u32> ids;
  std::vector<TrendInput> inputs;
  for (const Series& series : samples.series()) {
    if (!is_needed(series) || (series.boot && *series.boot != span.boot)) continue;
    ids.push_back(series.id);
    inputs.push_back({.series = series});
  }
  const std::vector<Values> all = TRY(samples.read(ids));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Values& values = all[i];
    for (std::size_t j = 0; j < values.at.size(); ++j) {
      const auto found = std::ranges::lower_bound(span.at, values.at[j]);
      if (found == span.at.end() || *found != values.at[j]) continue;
      inputs[i].at.push_back(static_cast<u32>(found - span.at.begin()));
      inputs[i].values.push_back(static_cast<double>(values.values[j]));
    }
  }
  return inputs;
}

}  // namespace

Result<TrendSamples> read_trend_samples(const std::string& path, double since_h) {
  Samples samples = TRY(Samples::open(path));
  Span span = choose_span(samples, since_h);
  if (span.at.empty()) return Error(ErrorCode::NotFound, path + ": there are no samples in it as yet");
  auto inputs = TRY(read_inputs(samples, span));
  TrendSamples chosen{.origin = samples.boots()[span.boot],
                      .other_boots = span.boots - 1,
                      .times = {},
                      .time_h = span.time_h,
                      .inputs = std::move(inputs)};
  for (u32 index : span.at) chosen.times.push_back(samples.times()[index]);
  return chosen;
}

TrendReport judge(const TrendSamples& samples, const TrendChoice& choice, const std::string& version) {
  TrendReport report;
  report.host = samples.origin.host;
  report.release = samples.origin.release;
  report.boot_id = samples.origin.boot_id;
  report.version = version;
  report.from_ms = samples.times.front().time_ms;
  report.to_ms = samples.times.back().time_ms;
  report.samples = samples.times.size();
  report.other_boots = samples.other_boots;
  report.choice = choice;
  judge_all(report, samples.time_h, samples.inputs);
  return report;
}

}  // namespace orphan::watch
