// SPDX-License-Identifier: Apache-2.0
// For tests: the detector and the slow one, which are told the same at random. Everything happens in little memory, so that
// blocks overlap, words refer to blocks, and addresses are used anew.
#pragma once
#include <functional>

#include "detector/slow_detector.h"
#include "memory/fake_memory.h"

namespace orphan {

class DetectorPair {
 public:
  // `random` says what to do; `attribute_bytes` is the bound of both.
  DetectorPair(std::function<u64()> random, u64 attribute_bytes);

  // Tells both one thing.
  void step();
  // In what they differ; empty: in nothing.
  std::string difference() const;

  // How much of what can happen has happened.
  struct Happened {
    u64 reported_by_scan = 0, reported_by_marker = 0, cleared = 0, forgotten = 0, restored = 0, warnings = 0;
    Degradation lost = {};
  };
  Happened happened() const;

 private:
  using Step = void (DetectorPair::*)();
  struct Choice;
  static const Choice kChoices[];

  u64 below(u64 end) { return random_() % end; }
  bool one_in(u64 chances) { return below(chances) == 0; }
  Space some_space() { return static_cast<Space>(below(kSpaces)); }
  Addr some_address(Space space);
  u64 some_size();
  i32 some_min_count();
  Origin some_origin();
  std::optional<u64> some_stamp() { return one_in(3) ? std::optional(below(3)) : std::nullopt; }
  template <typename F>
  void tell(F&& f) {
    f(static_cast<Operations&>(fast_));
    f(static_cast<Operations&>(slow_));
  }

  void alloc();
  void alloc_other();
  void vmalloc();
  void free();
  void free_part();
  void paint();
  void attribute();
  void write_word();
  void drop_word();
  void scan();
  void mark();
  void see();
  void decide();
  void restore();

  std::function<u64()> random_;
  u64 warnings_ = 0;
  FakeMemory memory_;
  Detector fast_;
  SlowDetector slow_;
  i64 now_ns_ = 0;
  Happened happened_;
  std::string difference_;  // in what a call answered
};

}  // namespace orphan
