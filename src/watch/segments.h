// SPDX-License-Identifier: Apache-2.0
// Segments: stretches of samples of one boot. One is open and grows by a frame with each sample; when it is long enough it is
// finished: its frames become columns. Finished ones can be handed on, and thinned when the file gets too large.
#pragma once
#include <vector>

#include "store/sqlite.h"
#include "watch/coding.h"

namespace orphan::watch {

struct Segment {
  i64 id = 0;
  u32 boot = 0;
  std::vector<Stamp> stamps = {};
  std::vector<std::byte> columns = {};  // what a ColumnReader reads
};

// The samples of a segment, finished or not.
Result<Segment> load_segment(Database& database, i64 id);

// Makes columns of its frames, in one transaction. One without samples is removed.
Result<void> finish_segment(Database& database, i64 id);

// Makes room: every other sample goes, where samples are the densest for their age. So with each halving what is old becomes
// coarser first, and nothing is cut off: the first and the last sample of a segment stay. Neighbours that have become short are
// joined. False: nothing is left to be thinned. `now_ms`: of the wall clock.
Result<bool> thin_once(Database& database, i64 now_ms);

// What the file has in use, without pages that were freed.
Result<u64> used_bytes(Database& database);

}  // namespace orphan::watch
