// SPDX-License-Identifier: Apache-2.0
// The loop of orphan watch: a sample each interval, stored; finished segments exported, and uploaded. Whatever fails on the way,
// the full disk and the server that is away, is said once; the loop goes on, and says when it works again. What begins to leak,
// by the trend of its series, is said, and handed to a command.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "metrics/metric.h"
#include "watch/sampler.h"
#include "watch/store.h"
#include "watch/trend_report.h"
#include "watch/upload.h"

namespace orphan::watch {

struct WatchOptions {
  SamplerOptions sampler;
  std::string path;  // of the file
  StoreOptions store;
  u64 samples = 0;               // so many, then it ends; 0: until it is told to
  std::string export_directory;  // empty: nothing is exported
  std::string upload;            // empty: nothing is uploaded
  std::string alarm;             // a command; empty: none is run
  double first_retry_s = 10;     // of an upload, and of an alarm
  TrendChoice trends;
};

struct WatchHooks {
  std::function<bool()> is_stopped;
  std::function<void(double)> wait;  // for so many seconds; less when stopped
  std::function<void(const std::string&)> notice;
  std::function<void(const std::string&)> progress;
  std::function<void(const std::vector<metrics::Metric>&)> publish = {};  // the figures of a sample; may be empty
  std::function<Stamp()> now = this_moment;
};

// An error: it could not begin.
Result<void> watch(const WatchOptions& options, const WatchHooks& hooks);

}  // namespace orphan::watch
