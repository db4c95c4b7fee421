// SPDX-License-Identifier: Apache-2.0
// Read the memory of a target: a live process, a kernel, or a dump. The target may change under us.
#pragma once
#include <span>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/result.h"

namespace orphan {

class Memory {
 public:
  virtual ~Memory() = default;

  // Fills all of `out` from `at`, or fails; NotMapped is normal, pages come and go.
  virtual Result<void> read(Addr at, std::span<std::byte> out) const = 0;

  // The bytes [at, at + scratch.size()): in `scratch`, or in memory of the reader's own that stays valid until the next
  // call on it. Spares a copy where the reader has the bytes already.
  virtual Result<Bytes> view(Addr at, std::span<std::byte> scratch) const {
    TRY(read(at, scratch));
    return Bytes(scratch);
  }

  // How much expect() makes use of: beyond one of these, pieces are ignored. Nothing: gathering them is wasted.
  struct Foresight {
    std::size_t pieces = 0;
    u64 bytes = 0;
  };
  virtual Foresight foresight() const { return {}; }
  // These pieces will be read next, each once and in one call, in this order: a reader that can begins with it now, and answers
  // with what was there since. Those of the last two calls are expected; without pieces nothing is any more.
  virtual void expect([[maybe_unused]] std::span<const Range> pieces) const {}
};

// One plain value at `at`, in the target's byte order (that of this machine).
template <typename T>
  requires std::is_trivially_copyable_v<T>
Result<T> read_value(const Memory& memory, Addr at) {
  T value;
  TRY(memory.read(at, std::as_writable_bytes(std::span(&value, 1))));
  return value;
}

}  // namespace orphan
