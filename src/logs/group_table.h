// SPDX-License-Identifier: Apache-2.0
// Findings of many files brought together: one group for each fingerprint. Memory grows with the groups, and not with the files
// or the objects in them; of single objects as many are kept as were asked for.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "logs/finding.h"

namespace orphan::logs {

struct Group {
  u64 fingerprint = 0;
  Leak leak = {};  // of which size, cache and stack are those of the first that was found
  Memory memory = Memory::Virtual;
  bool is_leak = true;
  u64 least_bytes = 0, most_bytes = 0;  // of an object
  u64 without_size = 0;                 // objects that were only counted
  u64 files = 0, hosts = 0;             // that it was seen in, and on
  std::vector<u64> stacks = {};         // different ones to the byte, kMaxStacks at most
};

class GroupTable {
 public:
  static constexpr std::size_t kMaxStacks = 16;
  static constexpr std::size_t kMaxComms = 32;

  explicit GroupTable(u64 max_objects) : objects_left_(max_objects) {}

  // What is added from here on is of this file, which also stands for its host where nothing names one.
  void begin_file(const std::string& path);
  void add(Finding finding);

  u64 hosts() const { return hosts_.size(); }
  // Leaks, or what is only allocated: most bytes first, and of equal ones most blocks.
  std::vector<Group> groups(bool leaks) const;

 private:
  struct Entry {
    Group group;
    u64 last_file = 0;
    u64 more_hosts = 0;           // of what was merged before
    std::vector<u32> hosts = {};  // sorted
  };
  u32 host_of(const std::string& name);
  void add_objects(Leak& to, std::vector<LeakedObject> objects);

  u64 objects_left_;
  u64 file_ = 0;
  std::string path_;
  std::map<std::string, u32> hosts_;
  std::unordered_map<u64, Entry> entries_;
};

Tally total(const std::vector<Group>& groups);

}  // namespace orphan::logs
