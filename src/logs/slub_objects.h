// SPDX-License-Identifier: Apache-2.0
// The objects of a trace that are allocated at the moment, and groups of those that stayed. An address may be used again, by
// another cache too; caches and addresses of different hosts, and of one host before and after it was booted, have nothing to do
// with each other.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "report/report.h"

namespace orphan::logs {

// Texts by number; those from `most` on are all the first, the empty one.
class Names {
 public:
  explicit Names(std::size_t most) : most_(most) {}
  u32 id_of(std::string_view text);
  const std::string& text(u32 id) const { return texts_[id]; }

 private:
  std::size_t most_;
  std::map<std::string, u32, std::less<>> ids_;
  std::vector<std::string> texts_ = {""};
  u32 last_ = 0;
};

struct SlubKey {
  u64 address = 0;
  u32 cache = 0, host = 0;
  bool operator==(const SlubKey&) const = default;
};

// Seconds of a host's clock: of the first head, and of the last.
struct HostTimes {
  std::optional<double> first = {}, last = {};
};

class SlubObjects {
 public:
  struct Stayed {
    u32 cache = 0, stack = 0;
    u64 count = 0, with_time = 0;
    double oldest_s = 0, youngest_s = 0;  // of those with a time
    std::map<u32, u64> comms = {};
  };

  // False: it was allocated already.
  bool allocate(const SlubKey& key, u64 record, std::optional<double> time);
  // False: it was not seen to be allocated.
  bool free(const SlubKey& key) { return live_.erase(key) != 0; }
  // Of an object that still is the one that `record` allocated.
  void describe(const SlubKey& key, u64 record, u32 stack, u32 comm);

  // What the host has allocated stays.
  void end_host(u32 host, const HostTimes& times);
  const std::map<std::pair<u32, u32>, Stayed>& stayed() const { return stayed_; }

 private:
  struct Object {
    u64 record = 0;  // number of its head
    double time = 0;
    u32 stack = 0, comm = 0;
    bool has_time = false;
  };
  struct Hash {
    std::size_t operator()(const SlubKey& key) const {
      // Addresses end with zeros.
      u64 mixed = (key.address ^ (u64{key.cache} << 40) ^ (u64{key.host} << 52)) * 0x9e37'79b9'7f4a'7c15;
      return mixed ^ (mixed >> 32);
    }
  };
  void add(const SlubKey& key, const Object& object, const HostTimes& times);

  std::unordered_map<SlubKey, Object, Hash> live_;
  std::map<std::pair<u32, u32>, Stayed> stayed_;  // by cache and stack
};

}  // namespace orphan::logs
