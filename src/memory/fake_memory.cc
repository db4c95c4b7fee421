// SPDX-License-Identifier: Apache-2.0
#include "memory/fake_memory.h"

#include <algorithm>

namespace orphan {

void FakeMemory::map(Range range) {
  auto next = segments_.lower_bound(range.start.value);
  VERIFY(next == segments_.end() || next->first >= range.end().value);
  if (next != segments_.begin()) {
    auto before = std::prev(next);
    VERIFY(before->first + before->second.size() <= range.start.value);
  }
  segments_.emplace(range.start.value, std::vector<std::byte>(range.size_bytes));
}

void FakeMemory::write(Addr at, Bytes bytes) {
  while (!bytes.empty()) {
    auto segment = segments_.upper_bound(at.value);
    VERIFY(segment != segments_.begin());
    --segment;
    u64 offset = at.value - segment->first;
    VERIFY(offset < segment->second.size());
    std::size_t part = std::min<std::size_t>(bytes.size(), segment->second.size() - offset);
    std::copy_n(bytes.begin(), part, segment->second.begin() + static_cast<std::ptrdiff_t>(offset));
    bytes = bytes.subspan(part);
    at += part;
  }
}

Result<void> FakeMemory::read(Addr at, std::span<std::byte> out) const {
  ++reads_;
  if (reads_ == fail_at_) return Error(ErrorCode::NotMapped);
  while (!out.empty()) {
    auto segment = segments_.upper_bound(at.value);
    if (segment == segments_.begin()) return Error(ErrorCode::NotMapped);
    --segment;
    u64 offset = at.value - segment->first;
    if (offset >= segment->second.size()) return Error(ErrorCode::NotMapped);
    std::size_t part = std::min<std::size_t>(out.size(), segment->second.size() - offset);
    std::copy_n(segment->second.begin() + static_cast<std::ptrdiff_t>(offset), part, out.begin());
    out = out.subspan(part);
    at += part;
  }
  return {};
}

}  // namespace orphan
