// SPDX-License-Identifier: Apache-2.0
#include "watch/live_history.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace orphan::watch {
namespace {

// A verdict takes two looks; the first leaves out so much of what there is.
constexpr u32 kLeftOutFirst = 8;  // an eighth

// Those that may be judged; processes of other boots are not in these samples.
Result<std::vector<Series>> series_in(Samples& samples, u32 first, u32 end) {
  std::vector<Series> judged, there;
  std::vector<u32> ids;
  for (const Series& series : samples.series()) {
    if (!is_judged(series)) continue;
    judged.push_back(series);
    ids.push_back(series.id);
  }
  std::vector<bool> is_there(judged.size());
  TRY(samples.read_parts(ids, first, end, [&](std::size_t index, const Values&) { is_there[index] = true; }));
  for (std::size_t i = 0; i < judged.size(); ++i) {
    if (is_there[i]) there.push_back(std::move(judged[i]));
  }
  return there;
}

}  // namespace

Result<void> recall_samples(LiveTrends& trends, Samples& samples, const std::string& boot_id) {
  const std::vector<SampleTime>& times = samples.times();
  auto end = static_cast<u32>(times.size());
  u32 first = end;
  while (first != 0 && samples.boots()[times[first - 1].boot].boot_id == boot_id) --first;
  if (first == end) return {};
  const std::vector<Series> there =
      TRY(series_in(samples, std::max(first, end - std::min(end, LiveTrends::kMostMissed + 1)), end));
  std::vector<u32> ids;
  for (const Series& series : there) ids.push_back(series.id);
  auto recall = [&](std::size_t index, const Values& values) { trends.recall(there[index], times, values); };
  u32 middle = end - (end - first) / kLeftOutFirst;
  TRY(samples.read_parts(ids, first, middle, recall));
  trends.look();
  TRY(samples.read_parts(ids, middle, end, recall));
  trends.look();
  return {};
}

}  // namespace orphan::watch
