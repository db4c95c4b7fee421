// SPDX-License-Identifier: Apache-2.0
// Where a leaked block pointed: the live blocks that its words lead to, and the lists that it is part of.
#pragma once
#include <functional>

#include "kernel/evidence.h"
#include "kernel/look.h"

namespace orphan::kernel {

class Pointees {
 public:
  struct Input {
    const Look& look;
    const Owners& owners;
    const KernelMemory& memory;
    const Symbols& symbols;
    // What is to be said of the block with this slot: "leaked too"; empty: nothing.
    std::function<std::string_view(u64 slot)> state;
  };
  // All of it must outlive this.
  explicit Pointees(Input input) : input_(std::move(input)) {}

  // Notes what the block at `block`, whose first bytes are `contents`, points to.
  void add(Addr block, Bytes contents, EvidenceGatherer& to) const;

 private:
  bool note_list(Addr block, Bytes contents, u64 offset, EvidenceGatherer& to) const;
  std::string name_of(BlockRef block, Addr at) const;

  Input input_;
};

}  // namespace orphan::kernel
