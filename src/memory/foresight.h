// SPDX-License-Identifier: Apache-2.0
// Goes through work whose reads are known beforehand, and tells the memory of them a batch ahead.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "memory/memory.h"

namespace orphan {

// Calls work(item), which returns a Result<void>, for each item that next() gives, an optional, until it gives none.
// range_of(item) is what work() will read in one call; with size 0 it reads otherwise. next() and range_of() are called for some
// items before work() is called for the first of these.
template <typename Next, typename RangeOf, typename Work>
Result<void> for_each_ahead(const Memory& memory, Next&& next, RangeOf&& range_of, Work&& work) {
  using Item = typename decltype(next())::value_type;
  const Memory::Foresight most = memory.foresight();
  if (most.pieces == 0) {
    while (auto item = next()) TRY(work(*item));
    return {};
  }
  // Waiting for another thread takes longer than reading a few pieces.
  constexpr std::size_t kWorthwhile = 4;
  constexpr std::size_t kMostItems = 1024;  // that read nothing at once
  struct Forget {
    const Memory& memory;
    ~Forget() { memory.expect({}); }
  } forget{memory};
  std::optional<Item> left;
  std::vector<Range> pieces;
  auto gather = [&](std::vector<Item>& items) {
    items.clear();
    pieces.clear();
    u64 bytes = 0;
    while (items.size() < kMostItems && pieces.size() < most.pieces) {
      if (!left) left = next();
      if (!left) break;
      Range range = range_of(*left);
      if (range.size_bytes > most.bytes - bytes && !items.empty()) break;
      items.push_back(*std::exchange(left, std::nullopt));
      if (range.size_bytes == 0) continue;
      bytes += std::min(range.size_bytes, most.bytes - bytes);
      pieces.push_back(range);
    }
    if (pieces.size() >= kWorthwhile || bytes == most.bytes) memory.expect(pieces);
  };
  std::vector<Item> now, then;
  gather(now);
  while (!now.empty()) {
    gather(then);
    for (const Item& item : now) TRY(work(item));
    now.swap(then);
  }
  return {};
}

}  // namespace orphan
