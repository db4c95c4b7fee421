// SPDX-License-Identifier: Apache-2.0
// Which objects a file has had already: scripts append kmemleak's file to a log again and again, and it lists every leak each
// time. A table of hashes with a bound: a file with more objects than it holds may have repetitions that are not seen.
#pragma once
#include <cstddef>
#include <vector>

#include "base/types.h"

namespace orphan::logs {

class SeenObjects {
 public:
  static constexpr std::size_t kMost = 1 << 20;  // 16 MiB of table

  // False: it has been there. True also where the table is full.
  bool add(u64 hash) {
    if (hash == 0) hash = 1;  // 0 is an empty place
    if ((count_ + 1) * 2 > table_.size() && !grow()) return !contains(hash);
    u64& place = table_[find(table_, hash)];
    if (place == hash) return false;
    place = hash;
    ++count_;
    return true;
  }

 private:
  static std::size_t find(const std::vector<u64>& table, u64 hash) {
    std::size_t at = hash & (table.size() - 1);
    while (table[at] != 0 && table[at] != hash) at = (at + 1) & (table.size() - 1);
    return at;
  }
  bool contains(u64 hash) const { return table_[find(table_, hash)] == hash; }
  bool grow() {
    constexpr std::size_t kFirst = 256;
    if (count_ >= kMost) return false;
    std::vector<u64> larger(table_.empty() ? kFirst : table_.size() * 2);
    for (u64 hash : table_) {
      if (hash != 0) larger[find(larger, hash)] = hash;
    }
    table_ = std::move(larger);
    return true;
  }

  std::vector<u64> table_;  // a power of two of places, at most half of them taken
  std::size_t count_ = 0;
};

}  // namespace orphan::logs
