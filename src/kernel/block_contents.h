// SPDX-License-Identifier: Apache-2.0
// The contents of many blocks, one after the other: those that share a page are read together.
#pragma once
#include <vector>

#include "memory/memory.h"

namespace orphan::kernel {

class BlockContents {
 public:
  // `memory` must outlive this.
  explicit BlockContents(const Memory& memory) : memory_(memory) {}

  // [at, at + size_bytes), as it is now or was when a neighbour was asked for; empty: it cannot be read. Stays valid until the
  // next call.
  Bytes of(Addr at, u64 size_bytes);

 private:
  const Memory& memory_;
  Addr start_;
  std::vector<std::byte> bytes_;  // from start_ on
};

}  // namespace orphan::kernel
