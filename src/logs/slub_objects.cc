// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_objects.h"

#include <algorithm>

namespace orphan::logs {

u32 Names::id_of(std::string_view text) {
  if (texts_[last_] == text) return last_;
  auto known = ids_.find(text);
  if (known == ids_.end()) {
    if (texts_.size() == most_ || text.empty()) return 0;
    known = ids_.emplace(text, static_cast<u32>(texts_.size())).first;
    texts_.emplace_back(text);
  }
  return last_ = known->second;
}

bool SlubObjects::allocate(const SlubKey& key, u64 record, std::optional<double> time) {
  auto [at, is_new] = live_.try_emplace(key);
  at->second = {.record = record, .time = time.value_or(0), .has_time = time.has_value()};
  return is_new;
}

void SlubObjects::describe(const SlubKey& key, u64 record, u32 stack, u32 comm) {
  auto at = live_.find(key);
  if (at == live_.end() || at->second.record != record) return;
  at->second.stack = stack;
  at->second.comm = comm;
}

void SlubObjects::end_host(u32 host, const HostTimes& times) {
  std::erase_if(live_, [&](const auto& entry) {
    const auto& [key, object] = entry;
    if (key.host != host) return false;
    add(key, object, times);
    return true;
  });
}

void SlubObjects::add(const SlubKey& key, const Object& object, const HostTimes& times) {
  Stayed& group = stayed_[{key.cache, object.stack}];
  group.cache = key.cache;
  group.stack = object.stack;
  ++group.count;
  if (object.comm != 0) ++group.comms[object.comm];
  if (!object.has_time || !times.last) return;
  // A clock may be set back.
  double age = std::max(*times.last - object.time, 0.0);
  group.oldest_s = group.with_time == 0 ? age : std::max(group.oldest_s, age);
  group.youngest_s = group.with_time == 0 ? age : std::min(group.youngest_s, age);
  ++group.with_time;
}

}  // namespace orphan::logs
