// SPDX-License-Identifier: Apache-2.0
// Which of many things get series of their own: of thousands of processes, control groups or call sites only the largest and
// those that grow. What was chosen stays so for as long as it is there, so that its series has no holes.
#pragma once
#include <algorithm>
#include <unordered_map>

#include "base/types.h"

namespace orphan::watch {

class Choice {
 public:
  struct Entry {
    i64 lowest = 0;
    u32 seen = 0;  // the last sample that had it
    bool is_chosen = false;
  };

  // `slack`: growth that is noise in any case. An eighth of the lowest value is, too.
  explicit Choice(i64 slack) : slack_(slack) {}

  void begin_sample() { ++sample_; }
  // Tells what a thing is worth in this sample. Valid until end_sample().
  Entry& note(u64 key, i64 value) {
    auto [found, is_new] = entries_.try_emplace(key, Entry{.lowest = value});
    Entry& entry = found->second;
    entry.lowest = std::min(entry.lowest, value);
    entry.seen = sample_;
    if (value - entry.lowest >= slack_ + entry.lowest / 8) entry.is_chosen = true;
    return entry;
  }
  // What is not there any more is forgotten.
  void end_sample() {
    std::erase_if(entries_, [this](const auto& entry) { return entry.second.seen != sample_; });
  }

 private:
  i64 slack_;
  u32 sample_ = 0;
  std::unordered_map<u64, Entry> entries_;
};

}  // namespace orphan::watch
