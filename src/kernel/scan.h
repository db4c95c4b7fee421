// SPDX-License-Identifier: Apache-2.0
// The scan of a kernel: look, mark, confirm, again until two passes agree; then the report.
#pragma once
#include "detector/suppression_file.h"
#include "kernel/allocation_records.h"
#include "kernel/images.h"
#include "kernel/known_blocks.h"
#include "kernel/target.h"
#include "report/report.h"

namespace orphan::kernel {

struct ScanOptions {
  u32 max_passes = 5;     // at least 2
  double interval_s = 5;  // from the end of a pass to the start of the next
  double min_age_s = 5;   // between the first sight of a leak as unreferenced and the last
  u64 max_objects = 10'000;
  u64 memory_limit_bytes = 0;        // of this process; 0: none
  bool pages = false;                // the kernel's own pages are blocks
  bool stacks = true;                // those of tasks are roots
  std::span<KnownBlock> known = {};  // what is found out about them is written here
  std::vector<SuppressionRule> suppressions = {};
  const AllocationRecords* records = nullptr;  // of allocations that were seen: what leaked of these comes first
  BuildIds gone_modules = {};                  // that may have gone since
  std::string version = {};                    // of the program, for the report
};

struct ScanHooks {
  std::function<bool()> keep_going;
  // Waits so many seconds, less when keep_going turns false.
  std::function<void(double)> wait;
  std::function<void(std::string)> progress;
};

// Usage: the memory limit is too low. When keep_going says no, the report has what the passes so far have confirmed, and says so.
Result<Report> scan(Target& target, const ScanOptions& options, const ScanHooks& hooks);

}  // namespace orphan::kernel
