// SPDX-License-Identifier: Apache-2.0
// What trends are looked for in: the samples of one boot, for what is allocated does not outlive it.
#pragma once
#include <vector>

#include "watch/samples.h"
#include "watch/trend_causes.h"
#include "watch/trend_report.h"

namespace orphan::watch {

struct TrendSamples {
  Origin origin;
  u64 other_boots = 0;  // that have samples
  std::vector<SampleTime> times;
  std::vector<double> time_h;  // the same, ascending
  std::vector<TrendInput> inputs;
};

// Of the last boot, or if that has too few samples as yet, of the last one that has enough. `since_h`: only so long before its
// last sample; 0: all. NotFound: there are none.
Result<TrendSamples> read_trend_samples(const std::string& path, double since_h);

TrendReport judge(const TrendSamples& samples, const TrendChoice& choice, const std::string& version);

}  // namespace orphan::watch
