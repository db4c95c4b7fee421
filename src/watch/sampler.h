// SPDX-License-Identifier: Apache-2.0
// Takes a sample: reads all there is to be read of this machine, and hands it to a sink. What is missing, or may not be read, is
// named the first time, and left out.
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "watch/cgroups.h"
#include "watch/choice.h"
#include "watch/processes.h"
#include "watch/record_count.h"
#include "watch/series.h"
#include "watch/store.h"

namespace orphan::watch {

struct SamplerOptions {
  std::string root;      // before every path: the machine as seen from a container, or a test's
  std::size_t top = 50;  // so many of the largest processes, and control groups
  double interval_s = 300;
};

class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);
  void sample(Sink& sink);
  // What could not be sampled and was not named before, with the reasons.
  std::vector<std::string> take_skipped();

 private:
  void skip(const Error& error);
  Result<void> sample_memory(Sink& sink) const;
  Result<void> sample_slabs(Sink& sink) const;
  Result<void> sample_vmalloc(Sink& sink) const;
  Result<void> sample_sites(Sink& sink);
  Result<void> sample_buddies(Sink& sink) const;
  Result<void> sample_pressure(Sink& sink) const;
  void sample_records(Sink& sink);
  std::string proc(std::string_view name) const { return root_ + "/proc/" + std::string(name); }

  std::string root_;
  i64 page_bytes_;
  Processes processes_;
  Cgroups cgroups_;
  Choice sites_;
  struct Records {
    std::string_view name;
    RecordCount count;
  };
  std::vector<Records> records_;
  std::set<std::string> named_;
  std::vector<std::string> skipped_;
};

// The machine that runs now; what of it cannot be read is empty, but not its boot.
Result<Origin> this_origin(const std::string& root);

// Now.
Stamp this_moment();

}  // namespace orphan::watch
