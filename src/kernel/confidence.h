// SPDX-License-Identifier: Apache-2.0
// How sure a scan is of a group of leaks, and why. It never asks what a leak is worth, only what else may explain it.
#pragma once
#include "report/report.h"

namespace orphan::kernel {

// Shorter than that, a block may have been on its way: kfree_rcu() keeps what it frees for up to five seconds.
inline constexpr double kLongEnough = 5;  // seconds

struct ConfidenceFacts {
  u32 passes = 2;                  // of the scan
  double seconds = 0;              // from the end of the first to the end of the last
  bool is_from_first = true;       // all of the group were so from the first pass on
  bool are_pages = false;          // of the page allocator, which says nothing about who has them
  bool may_be_pages = false;       // large kmallocs that do not differ from pages which a driver allocated
  bool is_settled = true;          // the last two passes agreed
  bool is_all_seen = true;         // nothing stands under NOT SEEN
  bool is_searched_weakly = true;  // for weak references
};

struct Judgement {
  Confidence level = Confidence::Possible;
  std::string reason = {};
};

Judgement judge(const ConfidenceFacts& facts);

// The same for a group some of which hang below blocks of another: it is no surer than that one.
Judgement below(Judgement own, Confidence above);

}  // namespace orphan::kernel
