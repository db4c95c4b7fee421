// SPDX-License-Identifier: Apache-2.0
#include "logs/merged_report.h"

#include <algorithm>
#include <functional>
#include <span>

#include "report/kmemleak.h"
#include "report/pprof.h"

namespace orphan::logs {
namespace {

std::span<const Group> first_of(const std::vector<Group>& groups, u64 top) {
  return std::span(groups).first(static_cast<std::size_t>(std::min<u64>(top, groups.size())));
}

u64 bytes_more(const Change& change) {
  u64 before = change.before == nullptr ? 0 : change.before->leak.total.bytes;
  u64 after = change.after == nullptr ? 0 : change.after->leak.total.bytes;
  return after > before ? after - before : before - after;
}

void add_changes(const std::vector<Group>& before, const std::vector<Group>& after, Difference& difference) {
  std::unordered_map<u64, const Group*> known;
  for (const Group& group : before) known.emplace(group.fingerprint, &group);
  for (const Group& group : after) {
    auto at = known.find(group.fingerprint);
    if (at == known.end()) {
      difference.fresh.push_back({nullptr, &group});
      continue;
    }
    Change change{at->second, &group};
    known.erase(at);
    Tally old = change.before->leak.total, now = group.leak.total;
    if (now.count > old.count || now.bytes > old.bytes) {
      difference.grown.push_back(change);
    } else if (now == old) {
      ++difference.unchanged;
    } else {
      difference.shrunk.push_back(change);
    }
  }
  for (const Group& group : before) {
    if (known.contains(group.fingerprint)) difference.gone.push_back({&group, nullptr});
  }
}

}  // namespace

Difference difference(const MergedReport& before, const MergedReport& after) {
  Difference difference;
  add_changes(before.leaks, after.leaks, difference);
  add_changes(before.allocated, after.allocated, difference);
  for (std::vector<Change>* changes : {&difference.fresh, &difference.grown, &difference.shrunk, &difference.gone})
    std::ranges::stable_sort(*changes, std::greater(), bytes_more);
  return difference;
}

std::string to_kmemleak(const MergedReport& report, u64 top) {
  std::string out;
  for (const Group& group : first_of(report.leaks, top)) {
    for (const LeakedObject& object : group.leak.objects) out += orphan::to_kmemleak(group.leak, object);
  }
  return out;
}

std::string to_pprof(const MergedReport& report, u64 top) {
  // A profile has one kind of samples: leaks where there are any.
  bool has_leaks = !report.leaks.empty();
  std::string target = "reports of others";
  Profile profile{
      .what = has_leaks ? "leaked" : "allocated", .target = target, .version = report.version, .images = report.images};
  for (const Group& group : first_of(has_leaks ? report.leaks : report.allocated, top)) profile.groups.push_back(&group.leak);
  return orphan::to_pprof(profile);
}

}  // namespace orphan::logs
