// SPDX-License-Identifier: Apache-2.0
#include "logs/group_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "logs/fingerprint.h"

namespace orphan::logs {
namespace {

// Numbers come from files that anybody may have written: the sum of many large ones stays at the end.
u64 sum_of(u64 a, u64 b) {
  u64 sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? ~u64{0} : sum;
}

Tally sum_of(Tally a, Tally b) {
  return {sum_of(a.count, b.count), sum_of(a.bytes, b.bytes)};
}

void add_times(const std::optional<AllocationTimes>& from, std::optional<AllocationTimes>& to) {
  if (!from) return;
  if (!to) {
    to = from;
    return;
  }
  to->count = sum_of(to->count, from->count);
  to->first_s = std::max(to->first_s, from->first_s);
  to->last_s = std::min(to->last_s, from->last_s);
}

// Names of kernel threads are endless; the first that come are most of them.
void add_comms(const std::vector<Counted>& from, std::vector<Counted>& to) {
  for (const Counted& comm : from) {
    auto known = std::ranges::find(to, comm.text, &Counted::text);
    if (known != to.end()) {
      known->count = sum_of(known->count, comm.count);
    } else if (to.size() < GroupTable::kMaxComms) {
      to.push_back(comm);
    }
  }
}

}  // namespace

void GroupTable::begin_file(const std::string& path) {
  ++file_;
  path_ = path;
}

u32 GroupTable::host_of(const std::string& name) {
  // A path and a host of one name are two.
  std::string key = name.empty() ? "file " + path_ : "host " + name;
  return hosts_.try_emplace(std::move(key), static_cast<u32>(hosts_.size())).first->second;
}

void GroupTable::add_objects(Leak& to, std::vector<LeakedObject> objects) {
  for (LeakedObject& object : objects) {
    if (objects_left_ == 0) return;
    --objects_left_;
    to.objects.push_back(std::move(object));
  }
}

void GroupTable::add(Finding finding) {
  u64 print = fingerprint(finding), stack = exact_stack(finding.leak.stack);
  Leak& leak = finding.leak;
  auto [at, is_new] = entries_.try_emplace(print);
  Entry& entry = at->second;
  Group& group = entry.group;
  std::vector<LeakedObject> objects = std::exchange(leak.objects, {});
  if (is_new) {
    std::vector<Counted> comms = std::exchange(leak.comms, {});
    group = {.fingerprint = print, .leak = std::move(leak), .memory = finding.memory, .is_leak = finding.is_leak};
    group.least_bytes = group.most_bytes = group.leak.object_size_bytes;
    add_comms(comms, group.leak.comms);
  } else {
    group.leak.total = sum_of(group.leak.total, leak.total);
    group.least_bytes = std::min(group.least_bytes, leak.object_size_bytes);
    group.most_bytes = std::max(group.most_bytes, leak.object_size_bytes);
    // One report may know what another does not say.
    if (group.leak.kind == BlockKind::Unknown && leak.kind != BlockKind::Unknown) {
      group.leak.kind = leak.kind;
      group.leak.cache = leak.cache;
    }
    if (group.leak.type.empty()) {
      group.leak.type = leak.type;
      group.leak.type_reason = leak.type_reason;
    }
    add_times(leak.times, group.leak.times);
    add_comms(leak.comms, group.leak.comms);
  }
  group.without_size = sum_of(group.without_size, finding.without_size);
  add_objects(group.leak, std::move(objects));
  if (std::exchange(entry.last_file, file_) != file_) group.files = sum_of(group.files, finding.files);
  if (group.stacks.size() < kMaxStacks && std::ranges::find(group.stacks, stack) == group.stacks.end())
    group.stacks.push_back(stack);
  entry.more_hosts = sum_of(entry.more_hosts, finding.hosts - 1);
  u32 host = host_of(finding.host);
  auto place = std::ranges::lower_bound(entry.hosts, host);
  if (place == entry.hosts.end() || *place != host) entry.hosts.insert(place, host);
}

std::vector<Group> GroupTable::groups(bool leaks) const {
  std::vector<Group> groups;
  for (const auto& [print, entry] : entries_) {
    if (entry.group.is_leak != leaks) continue;
    groups.push_back(entry.group);
    groups.back().hosts = sum_of(entry.hosts.size(), entry.more_hosts);
    std::ranges::stable_sort(groups.back().leak.comms, std::greater(), &Counted::count);
  }
  // By the fingerprint at last, so that the order is the same each time.
  std::ranges::sort(groups, [](const Group& a, const Group& b) {
    auto key = [](const Group& group) { return std::tuple(~group.leak.total.bytes, ~group.leak.total.count, group.fingerprint); };
    return key(a) < key(b);
  });
  return groups;
}

Tally total(const std::vector<Group>& groups) {
  Tally sum;
  for (const Group& group : groups) sum = sum_of(sum, group.leak.total);
  return sum;
}

}  // namespace orphan::logs
