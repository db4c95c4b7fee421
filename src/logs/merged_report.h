// SPDX-License-Identifier: Apache-2.0
// What many reports say together, and what has changed from one to another: plain structures, and what prints them. They are lean
// beside a Report, since nobody tells how a stranger's scan went.
#pragma once
#include <string>
#include <vector>

#include "logs/group_table.h"

namespace orphan::logs {

struct MergedReport {
  std::string version = {};  // of orphan
  u64 files = 0;             // that were read
  u64 failed_files = 0;      // that were not
  u64 hosts = 0;
  std::vector<Group> leaks = {};
  std::vector<Group> allocated = {};  // what nobody says of that it leaks
  std::vector<Coverage> coverage = {};
  std::vector<Image> images = {};
};

struct Change {
  const Group* before = nullptr;  // null: it is new
  const Group* after = nullptr;   // null: it has gone
};

// Of groups of one fingerprint, by what more there is; those where the number of blocks or of bytes is larger have grown.
// Referring to two reports.
struct Difference {
  std::vector<Change> fresh, grown, shrunk, gone;
  u64 unchanged = 0;  // groups
};
Difference difference(const MergedReport& before, const MergedReport& after);

// The first `top` groups are shown one by one; what is left out is counted.
std::string to_text(const MergedReport& report, u64 top);
// "schema": 1; docs/json.md describes every field. `top` as above.
std::string to_json(const MergedReport& report, u64 top);
std::string to_kmemleak(const MergedReport& report, u64 top);
std::string to_pprof(const MergedReport& report, u64 top);

// Of a difference, from what two files say.
struct DifferenceOf {
  const MergedReport& before;
  const MergedReport& after;
  std::string before_name, after_name;
};
std::string to_text(const DifferenceOf& of, const Difference& difference, u64 top);
std::string to_json(const DifferenceOf& of, const Difference& difference, u64 top);

}  // namespace orphan::logs
