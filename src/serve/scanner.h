// SPDX-License-Identifier: Apache-2.0
// The kernel as the daemon sees it: opened once, with all the rights that takes, and scanned again and again without them.
#pragma once
#include <memory>
#include <optional>

#include "kernel/scan.h"
#include "report/who.h"
#include "track/tracker.h"

namespace orphan::serve {

struct ScannerOptions {
  kernel::ScanOptions scan = {};
  std::optional<track::TrackOptions> track = {};  // nothing: allocations are not tracked
};

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
  // Opens kcore, and loads the programs that track. Where these cannot be had, the scanner does without: see why_not_tracking().
  static Result<std::unique_ptr<Scanner>> open(ScannerOptions options);

  Result<Report> scan(const ScanRequest& request);
  // What holds the address, and who points at it. Interrupted when keep_going says no.
  Result<Who> who(Addr address, const std::function<bool()>& keep_going);
  // The checksum of a block as it is now; nothing: it cannot be read.
  std::optional<u32> checksum(Addr start, u64 size_bytes) const;
  // To be called about once a second, so that modules that come and go are known by name later.
  void look_at_modules() { modules_->look(); }

  std::string release() const { return target_->release(); }
  const track::Tracker* tracker() const { return tracker_.get(); }
  const std::string& why_not_tracking() const { return why_not_tracking_; }

 private:
  explicit Scanner(ScannerOptions options) : options_(std::move(options)) {}
  Result<void> open_target();
  void start_tracking();

  ScannerOptions options_;
  std::unique_ptr<kernel::Target> target_;
  std::unique_ptr<track::Tracker> tracker_;
  std::string why_not_tracking_;
  std::optional<kernel::ModuleWatch> modules_;
};

}  // namespace orphan::serve
