// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_watch.h"

#include <algorithm>

namespace orphan::watch {
namespace {

constexpr std::size_t kMostValues = 512;
// Each look is another chance to be wrong: they become rarer as a series gets longer.
constexpr std::size_t kLooksApart = 16;
constexpr double kHolds = 0.5;  // of the threshold

}  // namespace

void TrendWatch::halve(Watched& watched) {
  std::size_t pairs = watched.values.size() / 2;
  for (std::size_t i = 0; i < pairs; ++i) {
    watched.time_h[i] = (watched.time_h[2 * i] + watched.time_h[2 * i + 1]) / 2;
    watched.values[i] = (watched.values[2 * i] + watched.values[2 * i + 1]) / 2;
  }
  watched.time_h.resize(pairs);
  watched.values.resize(pairs);
  watched.merged *= 2;
}

void TrendWatch::add(u64 id, double time_h, double value) {
  Watched& watched = watched_[id];
  if (watched.added == 0) {
    watched.first_h = time_h;
    watched.first = value;
  } else if (time_h <= watched.last_h) {
    return;
  }
  watched.last_h = time_h;
  ++watched.added;
  watched.sum_h += time_h - watched.first_h;
  watched.sum += value - watched.first;
  if (++watched.in_sum < watched.merged) return;
  auto count = static_cast<double>(watched.in_sum);
  watched.time_h.push_back(static_cast<float>(watched.sum_h / count));
  watched.values.push_back(static_cast<float>(watched.sum / count));
  watched.sum_h = watched.sum = 0;
  watched.in_sum = 0;
  if (watched.values.size() >= kMostValues) halve(watched);
}

Trend TrendWatch::look(const Watched& watched) const {
  std::vector<double> time_h, values;
  for (float hour : watched.time_h) time_h.push_back(watched.first_h + static_cast<double>(hour));
  for (float value : watched.values) values.push_back(watched.first + static_cast<double>(value));
  Trend trend = find_trend(time_h, values, options_);
  bool was_leak = watched.told == Verdict::Growing;
  bool holds = trend.score >= kHolds * options_.threshold && trend.rate >= kHolds * options_.min_rate;
  if (was_leak && trend.verdict != Verdict::Sawtooth && holds) trend.verdict = Verdict::Growing;
  return trend;
}

std::vector<TrendWatch::Change> TrendWatch::take_changes() {
  std::vector<Change> changes;
  for (auto& [id, watched] : watched_) {
    if (watched.added < watched.next_look) continue;
    watched.next_look = watched.added + std::max<std::size_t>(1, watched.added / kLooksApart);
    Trend trend = look(watched);
    bool is_sure = trend.verdict == watched.last;
    watched.last = trend.verdict;
    if (!is_sure || trend.verdict == watched.told) continue;
    changes.push_back({.id = id, .before = watched.told, .trend = trend});
    watched.told = trend.verdict;
  }
  std::ranges::sort(changes, {}, &Change::id);
  return changes;
}

}  // namespace orphan::watch
