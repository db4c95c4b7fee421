// SPDX-License-Identifier: Apache-2.0
// The last sample as figures for Prometheus, with few labels.
#pragma once
#include <vector>

#include "metrics/metric.h"
#include "watch/live_trends.h"

namespace orphan::watch {

class WatchMetrics {
 public:
  struct Counts {
    u64 samples = 0, lost = 0, waiting_alarms = 0;
    i64 wall_ms = 0;  // of the last sample
  };

  // Of a sample, until take().
  void add(const Reading& reading);
  // The sample's figures, in a fixed order.
  std::vector<metrics::Metric> take(const LiveTrends& trends, const Counts& counts);

 private:
  std::vector<metrics::MetricSample> memory_, slabs_, callers_, processes_, cgroups_, pressure_, records_;
};

}  // namespace orphan::watch
