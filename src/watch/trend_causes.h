// SPDX-License-Identifier: Apache-2.0
// What takes the memory that becomes less: parts of its fall that add up. Each is the slope of a series over the same
// samples, by least squares and with a daily cycle taken out; such slopes are linear, so that what the parts leave over is the
// slope of what nobody accounts for.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "watch/samples.h"
#include "watch/trend.h"

namespace orphan::watch {

// A series in the samples that are looked at; without a value it is 0 there: it was not there, or too small to be sampled.
struct TrendInput {
  Series series;
  std::vector<u32> at = {};  // ascending indices of the times
  std::vector<double> values = {};
};

struct FallPart {
  std::string name;
  bool is_kernel = true;
  double rate = 0;                   // bytes an hour; less than 0: it gives memory back
  std::vector<FallPart> parts = {};  // the largest first; they may overlap where it says so
  double rest = 0;                   // what `parts` leave over
};

struct Fall {
  std::string of;        // MemAvailable, or where there is none MemFree; empty: neither was sampled
  double rate = 0;       // bytes an hour that it becomes less
  double explained = 0;  // of that, by parts
  double unexplained =
      0;  // pages that no account of the kernel's names: mostly those that drivers take straight from the page allocator
  double kernel = 0, user = 0;  // of what is explained
  std::vector<FallPart> parts;  // all of them, the largest first
};

// Caches that file systems fill with what was read, by their names: slabinfo does not say it.
bool is_reclaimable(const Series& series);

// `most`: so many parts of a part.
Fall explain_fall(std::span<const double> time_h, std::span<const TrendInput> inputs, std::size_t most);

}  // namespace orphan::watch
