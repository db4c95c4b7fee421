// SPDX-License-Identifier: Apache-2.0
// What was allocated and not freed while a tracker looked at both, by stack: where no scan can say what is live.
#pragma once
#include <vector>

#include "kernel/symbols.h"
#include "report/report.h"
#include "track/tracker.h"

namespace orphan::track {

// How many ticks of its clock of notes the kernel has a second. Debian's kernels have 250; 100, 300 and 1000 are the others that
// there are.
u32 ticks_a_second(const Moment& from, const Moment& to);

struct OutstandingInput {
  const Tracker& tracker;
  const kernel::Symbols& symbols;
  Moment end;        // when the tracking ended
  u32 ticks = 250;   // a second
  double min_age_s;  // what was allocated later than so long before the end is left out
};
// One group for each allocator, cache, size and stack, most bytes first.
std::vector<Leak> outstanding_groups(const OutstandingInput& input);

}  // namespace orphan::track
