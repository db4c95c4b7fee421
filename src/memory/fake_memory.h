// SPDX-License-Identifier: Apache-2.0
// A target written by a test: segments at any address, and faults on demand.
#pragma once
#include <map>
#include <set>
#include <vector>

#include "memory/memory.h"

namespace orphan {

class FakeMemory : public Memory {
 public:
  // Adds a zero-filled segment; segments must not overlap.
  void map(Range range);
  // Writes into mapped segments; writing elsewhere is a bug of the test.
  void write(Addr at, Bytes bytes);
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  void put(Addr at, const T& value) {
    write(at, std::as_bytes(std::span(&value, 1)));
  }

  Result<void> read(Addr at, std::span<std::byte> out) const override;

  // The n-th read from now on (1 = the next) fails with NotMapped; 0 = none does.
  void fail_read(u64 n) { fail_at_ = n == 0 ? 0 : reads_ + n; }
  u64 reads() const { return reads_; }

 private:
  std::map<u64, std::vector<std::byte>> segments_;
  mutable u64 reads_ = 0;
  u64 fail_at_ = 0;
};

}  // namespace orphan
