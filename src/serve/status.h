// SPDX-License-Identifier: Apache-2.0
// How the daemon does: what it was told, what it found last, what it could not see. One plain structure, printed as lines.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"
#include "track/tracker.h"

namespace orphan::serve {

// What the words of the control file change.
struct Settings {
  bool is_off = false;  // nothing is scanned
  bool has_automatic_scans = true;
  bool scans_stacks = true;
  u32 period_ms = 600'000;  // from the end of an automatic scan to the start of the next
  double min_age_s = 5;
};

struct Status {
  Settings settings = {};
  std::string target = {};
  bool is_scanning = false;
  u64 scans = 0;                // that came to their end
  i64 last_scan_unix_s = 0;     // when the last of these began
  double last_scan_s = 0;       // how long it took
  std::string last_error = {};  // why the last one that was begun found nothing; empty: it came to its end
  Tally examined = {};
  Tally listed = {};  // in the control file
  u64 omitted = 0;    // leaked as well, and not kept as single objects
  u64 cleared = 0;
  u64 new_in_last = 0;
  u64 new_in_all = 0;
  std::optional<track::TrackCounts> tracking = {};  // nothing: allocations are not tracked
  std::string why_not_tracking = {};
  std::vector<Coverage> coverage = {};  // of the last scan
};

// A line for each, as "key: value".
std::string to_text(const Status& status);

}  // namespace orphan::serve
