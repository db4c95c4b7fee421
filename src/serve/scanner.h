// SPDX-License-Identifier: Apache-2.0
// What the watchman has done for it: a kernel that is scanned again and again, and asked about single addresses.
#pragma once
#include <optional>
#include <string>

#include "kernel/scan.h"
#include "report/who.h"
#include "track/tracker.h"

namespace orphan::serve {

// What may be different from scan to scan.
struct ScanRequest {
  std::span<kernel::KnownBlock> known;
  bool stacks = true;
  double min_age_s = 5;
  kernel::ScanHooks hooks;
};

// For one thread at a time.
class Scanner {
 public:
  virtual ~Scanner() = default;

  virtual std::string release() const = 0;
  virtual Result<Report> scan(const ScanRequest& request) = 0;
  // What holds the address, and who points at it. Interrupted when keep_going says no.
  virtual Result<Who> who(Addr address, const std::function<bool()>& keep_going) = 0;
  // The checksum of a block as it is now; nothing: it cannot be read.
  virtual std::optional<u32> checksum(Addr start, u64 size_bytes) const = 0;
  // To be called about once a second, so that modules that come and go are known by name later.
  virtual void look_at_modules() = 0;
  // Nothing: allocations are not tracked, for the reason that there may be.
  virtual std::optional<track::TrackCounts> tracking() const = 0;
  virtual std::string why_not_tracking() const = 0;
};

}  // namespace orphan::serve
