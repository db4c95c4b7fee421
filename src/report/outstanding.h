// SPDX-License-Identifier: Apache-2.0
// Allocations that were seen, and whose free was not: what is left of a kernel leak where no scan can look at the kernel. It is a
// list of suspects. Nothing says if somebody still uses a block; what grows, and keeps on growing, is what to look at.
//
// The groups are Leaks of which only that is filled which a tracker knows: kind, cache, type, object size, total, stack, times
// and tasks.
#pragma once
#include <string>
#include <vector>

#include "report/report.h"

namespace orphan {

struct OutstandingReport {
  std::string target = {};         // "kernel 6.1.0-56-cloud-amd64"
  std::string version = {};        // of orphan
  std::string release = {};        // of the kernel
  std::vector<Image> images = {};  // that frames of `groups` lie in
  i64 started_unix_s = 0;
  double seconds = 0;             // how long allocations were tracked
  double min_age_s = 0;           // what is younger than that at the end is left out
  u64 allocations = 0;            // that were seen, freed or not
  std::vector<Leak> groups = {};  // by stack, most bytes first
  std::vector<Coverage> coverage = {};
};

// The sum over all groups.
Tally outstanding(const OutstandingReport& report);

// For an engineer at a terminal, as the text of a scan is.
std::string to_text(const OutstandingReport& report);

// "schema": 1; docs/json.md describes every field.
std::string to_json(const OutstandingReport& report);

// See report/pprof.h; the sample types are outstanding_objects and outstanding_space.
std::string to_pprof(const OutstandingReport& report);

}  // namespace orphan
