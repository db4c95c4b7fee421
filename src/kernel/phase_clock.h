// SPDX-License-Identifier: Apache-2.0
// Where the time of a scan goes, step by step.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "report/report.h"

namespace orphan::kernel {

// Times the steps of a piece of work: a step ends where the next begins.
class PhaseClock {
 public:
  // `reading`: the seconds that have been spent on reading so far.
  explicit PhaseClock(std::function<double()> reading) : reading_(std::move(reading)) {}

  void start(std::string name) {
    auto now = std::chrono::steady_clock::now();
    double reading = reading_();
    if (!phases_.empty()) {
      phases_.back().seconds = std::chrono::duration<double>(now - since_).count();
      phases_.back().reading_seconds = reading - reading_before_;
    }
    since_ = now;
    reading_before_ = reading;
    phases_.push_back({std::move(name)});
  }
  std::vector<Phase> finish() {
    start({});
    phases_.pop_back();
    return std::move(phases_);
  }

 private:
  std::function<double()> reading_;
  std::chrono::steady_clock::time_point since_;
  double reading_before_ = 0;
  std::vector<Phase> phases_;
};

}  // namespace orphan::kernel
