// SPDX-License-Identifier: Apache-2.0
#include "watch/live_trends.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace orphan::watch {
namespace {

constexpr double kMillisecondsAnHour = 3.6e6;
constexpr double kHoursADay = 24;
// Some things are not in every sample: the file of a kmemleak that is scanning cannot be read.
constexpr u64 kMostMissed = 3;  // samples; then it is not there any more

Series series_of(const Reading& reading) {
  return {.kind = reading.kind,
          .name = std::string(reading.name),
          .field = std::string(reading.field),
          .unit = reading.unit,
          .boot = std::nullopt};
}

}  // namespace

LiveTrends::LiveTrends(const TrendChoice& choice)
    : bytes_({.threshold = choice.threshold, .min_rate = choice.min_bytes_a_day / kHoursADay}),
      counts_({.threshold = choice.threshold}) {}

std::string LiveTrends::key_of(const Reading& reading) {
  std::string key(1, static_cast<char>(reading.kind));
  key += reading.field;
  key += '\0';
  key += reading.name;
  return key;
}

void LiveTrends::add(const Reading& reading) {
  auto value = static_cast<double>(reading.value) * static_cast<double>(reading.scale);
  if (reading.kind == Kind::Memory && reading.field == "MemAvailable") free_bytes_ = value;
  auto [at, is_new] = ids_.try_emplace(key_of(reading), next_id_);
  if (is_new) {
    Series series = series_of(reading);
    if (!is_judged(series)) {
      ids_.erase(at);
      return;
    }
    known_[next_id_++].series = std::move(series);
  }
  Known& known = known_[at->second];
  if (known.sample == sample_) return;
  known.sample = sample_;
  known.value = growth_sign(known.series) * value;
}

std::vector<LiveTrends::Change> LiveTrends::end(i64 boot_ms) {
  std::vector<Change> changes;
  forget_vanished(changes);
  for (const auto& [id, known] : known_) {
    if (known.sample == sample_) watch_of(known.series).add(id, static_cast<double>(boot_ms) / kMillisecondsAnHour, known.value);
  }
  take_changes(bytes_, changes);
  take_changes(counts_, changes);
  ++sample_;
  return changes;
}

void LiveTrends::forget_vanished(std::vector<Change>& changes) {
  auto has_vanished = [&](const Known& known) { return sample_ - known.sample > kMostMissed; };
  std::erase_if(ids_, [&](const auto& entry) { return has_vanished(known_.at(entry.second)); });
  std::erase_if(known_, [&](const auto& entry) {
    const auto& [id, known] = entry;
    if (!has_vanished(known)) return false;
    watch_of(known.series).forget(id);
    if (auto leak = leaks_.extract(id)) changes.push_back({.event = Event::Vanished, .row = std::move(leak.mapped())});
    return true;
  });
}

void LiveTrends::take_changes(TrendWatch& watch, std::vector<Change>& changes) {
  for (TrendWatch::Change& change : watch.take_changes()) {
    TrendRow row = row_of(known_.at(change.id).series, change.trend, free_bytes_);
    bool did_leak = leaks_.contains(change.id);
    if (row.is_leak()) {
      if (!did_leak) changes.push_back({.event = Event::Grows, .row = row});
      leaks_.insert_or_assign(change.id, std::move(row));
    } else if (did_leak) {
      leaks_.erase(change.id);
      changes.push_back({.event = Event::Stopped, .row = std::move(row)});
    }
  }
}

std::string to_line(const LiveTrends::Change& change) {
  const TrendRow& row = change.row;
  std::string name = name_of(row.series);
  switch (change.event) {
    case LiveTrends::Event::Stopped: return name + " does not grow any more";
    case LiveTrends::Event::Vanished: return name + " grew, and is not there any more";
    case LiveTrends::Event::Grows: break;
  }
  std::string text =
      fmt::format("{} {} by {} ({})", name, row.is_free_memory ? "becomes less" : "grows", rate_text(row), interval_text(row));
  if (row.exhaustion)
    text += fmt::format("; {} would last {}", row.is_free_memory ? "it" : "what is available",
                        duration_text(row.exhaustion->likely_h));
  if (row.trend.may_be_cycle) text += "; in under two days, it may be a daily cycle";
  return text;
}

}  // namespace orphan::watch
