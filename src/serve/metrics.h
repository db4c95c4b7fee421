// SPDX-License-Identifier: Apache-2.0
// What the daemon counts for who watches a fleet: the figures, bounded, with names and texts.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "metrics/metric.h"

namespace orphan::serve {

// Leaked blocks that are alike.
struct LeakedAmount {
  std::string label;  // a cache; or stack_label()
  u64 objects = 0, bytes = 0;
};

struct MetricsFigures {
  struct Scan {  // the last one
    i64 end_unix_s = 0;
    double duration_s = 0;
    u64 blocks = 0, bytes = 0;  // examined
    u64 incomplete_parts = 0;   // of what should have been looked at
    u64 unread_bytes = 0;
  };
  struct Tracker {
    u64 events = 0, lost = 0, replaced = 0;
  };

  // Listed now; any number, in any order, several of one label.
  std::vector<LeakedAmount> caches = {}, stacks = {};
  u64 cleared = 0;
  u64 suspects_total = 0;  // objects that were ever reported by this daemon
  u64 scans_total = 0;
  bool is_off = false;
  std::optional<Scan> last_scan = {};   // nothing: there was none
  std::optional<Tracker> tracker = {};  // nothing: allocations are not traced
};

// Each label is a time series in somebody's database for as long as that keeps it; so there are few.
inline constexpr std::size_t kMostCaches = 20, kMostStacks = 10;

// One of each label, the largest first (by bytes, then objects, then label), at most `most`; the rest's sum is the last, "other",
// which is always there.
std::vector<LeakedAmount> largest(std::span<const LeakedAmount> amounts, std::size_t most);

// The innermost two functions: "a < b". `functions` begins with the innermost; none: "unknown".
std::string stack_label(std::span<const std::string> functions);

// In a fixed order.
std::vector<metrics::Metric> metrics_of(const MetricsFigures& figures);

}  // namespace orphan::serve
