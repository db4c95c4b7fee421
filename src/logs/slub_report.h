// SPDX-License-Identifier: Apache-2.0
// What stayed allocated at the end of a SLUB trace, printed. As with `track --outstanding` it is a list of suspects: nothing
// looked for who still uses the objects.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "logs/slub_trace.h"

namespace orphan::logs {

struct SlubReport {
  std::string version = {};               // of orphan
  std::vector<std::string> sources = {};  // files, or "/dev/kmsg"
  SlubFindings findings;                  // groups with their sizes, most bytes first
  // By the kernel's own records: all that is allocated, and what is free now, by who freed it; counts has only the seconds.
  bool is_snapshot = false;
  std::map<std::string, u64> grown = {};  // see slub_tracks.h
  std::vector<Leak> freed = {};
  std::vector<Coverage> coverage = {};  // besides what the counts say
};

Tally stayed(const SlubReport& report);

// At most `top` groups are shown one by one.
std::string to_text(const SlubReport& report, u64 top);
// "schema": 1; docs/json.md describes every field.
std::string to_json(const SlubReport& report);
// See report/pprof.h.
std::string to_pprof(const SlubReport& report);

}  // namespace orphan::logs
