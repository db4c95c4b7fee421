// SPDX-License-Identifier: Apache-2.0
// For tests: a kernel with leaks that the test decides on.
#pragma once
#include <atomic>
#include <mutex>
#include <vector>

#include "report/sample_report.h"
#include "serve/scanner.h"

namespace orphan::serve {

class FakeScanner : public Scanner {
 public:
  // --- what the test decides ---
  void leak(Addr address, u64 size_bytes = 64, u32 checksum = 1) {
    std::scoped_lock lock(mutex_);
    leaks_.push_back({.address = address, .size_bytes = size_bytes, .checksum = checksum});
  }
  // It is referenced again, and still there.
  void hold(Addr address) { take(address, held_); }
  void free(Addr address) { take(address, freed_); }
  void fail(Error error) {
    std::scoped_lock lock(mutex_);
    error_ = std::move(error);
  }
  std::atomic<double> seconds = 0;  // that a scan waits between its passes
  std::atomic<bool> is_waiting = false;
  std::atomic<int> scans = 0;
  ScanRequest last = {};  // of the scan that ended last

  // --- Scanner ---
  std::string release() const override { return "6.1.0-fake"; }
  Result<Report> scan(const ScanRequest& request) override {
    is_waiting = true;
    if (seconds > 0) request.hooks.wait(seconds);
    is_waiting = false;
    std::scoped_lock lock(mutex_);
    last = request;
    ++scans;
    if (error_) return *std::exchange(error_, std::nullopt);
    for (kernel::KnownBlock& known : request.known) known.is_gone = std::ranges::find(freed_, known.start) != freed_.end();
    Report report = test::sample_report();
    report.interrupted = !request.hooks.keep_going();
    report.leaks.clear();
    report.outcome.leaked = {};
    for (const LeakedObject& object : leaks_) {
      bool is_root = std::ranges::any_of(request.known, [&](const kernel::KnownBlock& known) {
        return known.is_root && !known.is_gone && known.start == object.address;
      });
      if (is_root) continue;
      Leak group = test::leak_of(BlockKind::Slab, "kmalloc-64", object.size_bytes, {1, object.size_bytes});
      group.stack = {test::frame_at(Addr{0xffffffffc01d2041}, "widget_probe", 0x41, 0x1df, "widget")};
      group.objects = {object};
      report.leaks.push_back(std::move(group));
      report.outcome.leaked += {1, object.size_bytes};
    }
    return report;
  }
  Result<Who> who(Addr address, const std::function<bool()>&) override {
    std::scoped_lock lock(mutex_);
    Who who{.address = address};
    for (const LeakedObject& object : leaks_) {
      if (address < object.address || address >= object.address + object.size_bytes) continue;
      who.block = WhoBlock{.address = object.address, .size_bytes = object.size_bytes, .cache = "kmalloc-64"};
      who.block->state = BlockState::Unreferenced;
    }
    return who;
  }
  std::optional<u32> checksum(Addr, u64) const override { return 0x2a; }
  void look_at_modules() override {}
  std::optional<track::TrackCounts> tracking() const override { return std::nullopt; }
  std::string why_not_tracking() const override { return "no BPF here"; }

 private:
  void take(Addr address, std::vector<Addr>& to) {
    std::scoped_lock lock(mutex_);
    std::erase_if(leaks_, [&](const LeakedObject& object) { return object.address == address; });
    to.push_back(address);
  }

  std::mutex mutex_;
  std::vector<LeakedObject> leaks_;
  std::vector<Addr> held_, freed_;
  std::optional<Error> error_;
};

}  // namespace orphan::serve
