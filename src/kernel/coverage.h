// SPDX-License-Identifier: Apache-2.0
// What is left of a pass when its snapshot is gone, and what it says about what a scan could not see.
#pragma once
#include "kernel/look.h"
#include "scan/mark.h"

namespace orphan::kernel {

struct PassRecord {
  std::array<Tally, kBlockKinds> by_kind{};
  Tally reached, unstable, unreferenced, untracked;
  std::array<u64, kRootKinds> root_bytes{}, root_count{};
  LookGaps gaps;
  u64 unread_bytes = 0;
  u64 unstable_slabs = 0, unstable_slab_bytes = 0, reread_slabs = 0, foreign_slabs = 0, foreign_bytes = 0, all_slabs = 0;
  std::vector<u64> copy_offsets;
  std::vector<Module> modules;
  std::optional<SelfTest> self_test;
  std::string no_self_test;
};

// A leak that one pass could not judge is not in the report, whatever the others saw.
LookGaps worst_of(const LookGaps& a, const LookGaps& b);

// What was left out of a scan as a whole.
struct ScanGaps {
  bool is_interrupted = false;
  u64 not_graphed = 0;          // leaks that are too many for who hangs below whom
  u64 not_searched_weakly = 0;  // leaks
  u64 cache_cut_bytes = 0;      // because of a memory limit
  u64 parts = 0;                // of the candidates, looked at one by one
  double seconds_of_a_part = 0;
};

std::vector<Coverage> coverage_of(const PassRecord& record, const ScanGaps& gaps);

}  // namespace orphan::kernel
