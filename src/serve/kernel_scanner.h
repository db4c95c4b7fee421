// SPDX-License-Identifier: Apache-2.0
// The running kernel as the daemon sees it: opened once, with all the rights that takes, and scanned again and again without
// them.
#pragma once
#include <memory>

#include "serve/scanner.h"

namespace orphan::serve {

struct ScannerOptions {
  // Makes the kernel bring the table of /proc/kcore up to date; absent: memory that is plugged in is not seen.
  std::function<void()> renew_kcore = {};
  // Told what happens to the scanner.
  std::function<void(std::string)> notice = {};
  kernel::ScanOptions scan = {};
  std::optional<track::TrackOptions> track = {};  // nothing: allocations are not tracked
};

class KernelScanner : public Scanner {
 public:
  // Opens kcore, and loads the programs that track. Where these cannot be had, the scanner does without.
  static Result<std::unique_ptr<KernelScanner>> open(ScannerOptions options);

  std::string release() const override { return target_->release(); }
  Result<Report> scan(const ScanRequest& request) override;
  Result<Who> who(Addr address, const std::function<bool()>& keep_going) override;
  std::optional<u32> checksum(Addr start, u64 size_bytes) const override;
  void look_at_modules() override { modules_->look(); }
  std::optional<track::TrackCounts> tracking() const override;
  std::string why_not_tracking() const override { return why_not_tracking_; }

 private:
  explicit KernelScanner(ScannerOptions options) : options_(std::move(options)) {}
  Result<void> open_target();
  Result<void> use(std::unique_ptr<kernel::LiveSource> source);
  // Where memory was plugged in or taken away, everything is found out anew.
  Result<void> renew_target();
  void start_tracking();

  ScannerOptions options_;
  std::unique_ptr<kernel::Target> target_;
  const kernel::LiveSource* source_ = nullptr;  // its
  std::unique_ptr<track::Tracker> tracker_;
  std::string why_not_tracking_;
  std::optional<kernel::ModuleWatch> modules_;
};

}  // namespace orphan::serve
