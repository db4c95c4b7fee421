// SPDX-License-Identifier: Apache-2.0
#include "watch/live_trends.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace orphan::watch {
namespace {

constexpr double kMillisecondsAnHour = 3.6e6;
constexpr double kHoursADay = 24;

double hours(i64 milliseconds) {
  return static_cast<double>(milliseconds) / kMillisecondsAnHour;
}

bool is_available_memory(Kind kind, std::string_view field) {
  return kind == Kind::Memory && field == "MemAvailable";
}

}  // namespace

LiveTrends::LiveTrends(const TrendChoice& choice)
    : bytes_({.threshold = choice.threshold, .min_rate = choice.min_bytes_a_day / kHoursADay}),
      counts_({.threshold = choice.threshold}) {}

std::optional<u64> LiveTrends::id_of(Kind kind, std::string_view name, std::string_view field, Unit unit) {
  std::string key(1, static_cast<char>(kind));
  key += field;
  key += '\0';
  key += name;
  if (auto found = ids_.find(key); found != ids_.end()) return found->second;
  Series series{.kind = kind, .name = std::string(name), .field = std::string(field), .unit = unit, .boot = std::nullopt};
  if (!is_judged(series)) return std::nullopt;
  ids_.emplace(std::move(key), next_id_);
  known_[next_id_].series = std::move(series);
  return next_id_++;
}

void LiveTrends::recall(const Series& series, const std::vector<SampleTime>& times, const Values& values) {
  if (is_available_memory(series.kind, series.field)) free_bytes_ = static_cast<double>(values.values.back());
  std::optional<u64> id = id_of(series.kind, series.name, series.field, series.unit);
  if (!id) return;
  Known& known = known_[*id];
  for (std::size_t i = 0; i < values.at.size(); ++i) {
    known.value = growth_sign(series) * static_cast<double>(values.values[i]);
    watch_of(series).add(*id, hours(times[values.at[i]].stamp.boot_ms), known.value);
  }
}

void LiveTrends::look() {
  std::vector<Change> changes;
  take_changes(bytes_, changes);
  take_changes(counts_, changes);
}

void LiveTrends::add(const Reading& reading) {
  auto value = static_cast<double>(reading.value) * static_cast<double>(reading.scale);
  if (is_available_memory(reading.kind, reading.field)) free_bytes_ = value;
  std::optional<u64> id = id_of(reading.kind, reading.name, reading.field, reading.unit);
  if (!id) return;
  Known& known = known_[*id];
  if (known.sample == sample_) return;
  known.sample = sample_;
  known.value = growth_sign(known.series) * value;
}

std::vector<LiveTrends::Change> LiveTrends::end(i64 boot_ms) {
  std::vector<Change> changes;
  forget_vanished(changes);
  for (const auto& [id, known] : known_) {
    if (known.sample == sample_) watch_of(known.series).add(id, hours(boot_ms), known.value);
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
