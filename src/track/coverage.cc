// SPDX-License-Identifier: Apache-2.0
#include "track/coverage.h"

#include <fmt/format.h>

#include "report/format.h"

namespace orphan::track {

std::vector<Coverage> coverage_of(const Tracker& tracker) {
  TrackCounts counts = tracker.counts();
  std::string why =
      fmt::format("in {} of notes; {} stacks were taken", human_bytes(tracker.table_bytes()), with_commas(counts.stacks));
  if (counts.replaced != 0) why += fmt::format("; {} notes took the place of another address's", with_commas(counts.replaced));
  if (counts.lost_stacks != 0) why += fmt::format("; there was no room for {} stacks", with_commas(counts.lost_stacks));
  if (u64 lost = counts.lost + counts.missed_runs; lost != 0) why += fmt::format("; {} events were not noted", with_commas(lost));
  std::vector<Coverage> coverage{{.what = "allocations traced", .count = counts.events, .why = why, .incomplete = false}};
  for (const Coverage& missing : tracker.coverage()) coverage.push_back(missing);
  return coverage;
}

void add_loaded_modules(const Tracker& tracker, kernel::Symbols& symbols) {
  for (const kernel::Module& module : tracker.modules()) {
    std::vector<Range> unknown = module.memory;
    std::erase_if(unknown, [&](Range range) { return !symbols.module_at(range.start).empty(); });
    if (!unknown.empty()) symbols.add_module(module.name, unknown, {}, {});
  }
}

}  // namespace orphan::track
