// SPDX-License-Identifier: Apache-2.0
// Where the time of a scan goes, step by step.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "report/report.h"

namespace orphan::kernel {

// Times the steps of a piece of work: a step ends where the next begins.
class PhaseClock {
 public:
  void start(std::string name) {
    auto now = std::chrono::steady_clock::now();
    if (!phases_.empty()) phases_.back().seconds = std::chrono::duration<double>(now - since_).count();
    since_ = now;
    phases_.push_back({std::move(name)});
  }
  std::vector<Phase> finish() {
    start({});
    phases_.pop_back();
    return std::move(phases_);
  }

 private:
  std::chrono::steady_clock::time_point since_;
  std::vector<Phase> phases_;
};

}  // namespace orphan::kernel
