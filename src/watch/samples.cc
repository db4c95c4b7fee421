// SPDX-License-Identifier: Apache-2.0
#include "watch/samples.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "watch/schema.h"
#include "watch/segments.h"

namespace orphan::watch {
namespace {

// Values are in the file as the kernel gave them, and may be anything if the file is damaged.
i64 scaled(i64 value, i64 scale) {
  return static_cast<i64>(static_cast<u64>(value) * static_cast<u64>(scale));
}

}  // namespace

Result<Samples> Samples::open(const std::string& path) {
  Samples samples(TRY(open_for_reading(path)));
  auto loaded = samples.load();
  if (!loaded) return std::move(loaded).error().in("cannot read samples from " + path);
  return samples;
}

Result<void> Samples::load() {
  // One transaction for as long as this lives: a writer goes on, and what is read stays as it is now.
  TRY(database_.run("BEGIN"));
  TRY(load_boots());
  TRY(load_series());
  TRY(load_times());
  return load_starts();
}

u32 Samples::index_of_boot(i64 id) const {
  auto found = std::ranges::lower_bound(boot_ids_, id);
  return static_cast<u32>(found - boot_ids_.begin());
}

Result<void> Samples::load_boots() {
  Statement rows = TRY(database_.prepare("SELECT id, boot_id, host, release, page_bytes FROM boots ORDER BY id"));
  while (TRY(rows.step())) {
    boot_ids_.push_back(rows.integer(0));
    boots_.push_back({.boot_id = rows.text(1), .host = rows.text(2), .release = rows.text(3), .page_bytes = rows.integer(4)});
  }
  return {};
}

Result<void> Samples::load_series() {
  Statement rows = TRY(database_.prepare("SELECT id, kind, name, field, boot, unit, scale FROM series ORDER BY id"));
  while (TRY(rows.step())) {
    std::optional<Kind> kind = kind_of(rows.text(1));
    std::optional<Unit> unit = unit_of(rows.text(5));
    if (!kind || !unit) return Error(ErrorCode::BadData, "a series is of a kind or unit that does not exist");
    Series series{.id = static_cast<u32>(rows.integer(0)),
                  .kind = *kind,
                  .name = rows.text(2),
                  .field = rows.text(3),
                  .unit = *unit,
                  .boot = {}};
    if (i64 boot = rows.integer(4); boot != 0) series.boot = index_of_boot(boot);
    series_.push_back(std::move(series));
    scales_.push_back(rows.integer(6));
  }
  return {};
}

Result<void> Samples::load_times() {
  Statement rows = TRY(database_.prepare("SELECT id, boot, stamps FROM segments ORDER BY id"));
  while (TRY(rows.step())) {
    auto first = static_cast<u32>(times_.size());
    u32 boot = index_of_boot(rows.integer(1));
    if (boot >= boots_.size()) return Error(ErrorCode::BadData, "a segment is of a boot that does not exist");
    std::vector<Stamp> stamps =
        rows.is_null(2) ? TRY(load_segment(database_, rows.integer(0))).stamps : TRY(decode_stamps(rows.bytes(2)));
    for (const Stamp& stamp : stamps) times_.push_back({.stamp = stamp, .boot = boot});
    places_.push_back({rows.integer(0), first, static_cast<u32>(stamps.size())});
  }
  for (std::size_t end = times_.size(); end != 0;) {
    const SampleTime& last = times_[end - 1];
    i64 boot_wall_ms = last.stamp.wall_ms - last.stamp.boot_ms;
    for (u32 boot = last.boot; end != 0 && times_[end - 1].boot == boot; --end)
      times_[end - 1].time_ms = boot_wall_ms + times_[end - 1].stamp.boot_ms;
  }
  return {};
}

Result<void> Samples::load_starts() {
  Statement rows = TRY(database_.prepare("SELECT boot, boot_ms FROM runs ORDER BY id"));
  while (TRY(rows.step())) {
    std::pair start(index_of_boot(rows.integer(0)), rows.integer(1));
    // The sample itself may have been thinned away.
    auto found = std::ranges::lower_bound(times_, start, {},
                                          [](const SampleTime& time) { return std::pair(time.boot, time.stamp.boot_ms); });
    if (found != times_.end() && found->boot == start.first) found->is_start = true;
  }
  return {};
}

Result<i64> Samples::scale_of(u32 id) const {
  auto series = std::ranges::lower_bound(series_, id, {}, &Series::id);
  if (series == series_.end() || series->id != id) return Error(ErrorCode::BadData, "a series is not listed");
  return scales_[static_cast<std::size_t>(series - series_.begin())];
}

Result<void> Samples::read_parts(std::span<const u32> ids, u32 first, u32 end, const TakePart& take) {
  std::unordered_map<u32, std::size_t> index;
  for (std::size_t i = 0; i < ids.size(); ++i) index.emplace(ids[i], i);
  for (const Place& place : places_) {
    if (place.first >= end || place.first + place.samples <= first) continue;
    Segment segment = TRY(load_segment(database_, place.segment));
    ColumnReader reader(segment.columns, place.samples);
    while (!reader.at_end()) {
      auto found = index.find(TRY(reader.next()));
      if (found == index.end()) continue;
      Column column = TRY(reader.read());
      i64 scale = TRY(scale_of(found->first));
      Values part{.id = found->first};
      for (std::size_t i = 0; i < column.at.size(); ++i) {
        u32 at = place.first + column.at[i];
        if (at < first || at >= end) continue;
        part.at.push_back(at);
        part.values.push_back(scaled(column.values[i], scale));
      }
      if (!part.at.empty()) take(found->second, part);
    }
  }
  return {};
}

Result<std::vector<Values>> Samples::read(std::span<const u32> ids) {
  std::vector<Values> wanted;
  for (u32 id : ids) wanted.push_back({.id = id});
  TRY(read_parts(ids, 0, static_cast<u32>(times_.size()), [&](std::size_t index, const Values& part) {
    Values& values = wanted[index];
    values.at.insert(values.at.end(), part.at.begin(), part.at.end());
    values.values.insert(values.values.end(), part.values.begin(), part.values.end());
  }));
  return wanted;
}

}  // namespace orphan::watch
