// SPDX-License-Identifier: Apache-2.0
// Says of an address of the kernel's which block holds it, and of a word who points there: the block or the root it stands in.
#pragma once
#include <optional>

#include "kernel/places.h"
#include "report/who.h"

namespace orphan::kernel {

// As of one look; `reached` is what mark() said of it.
class BlockNames {
 public:
  // All of these must outlive this.
  BlockNames(const Kernel& kernel, const Look& look, const Owners& owners, const Symbols& symbols, const BitVector& reached)
      : look_(look), owners_(owners), symbols_(symbols), reached_(reached), places_(kernel, look, symbols) {}

  // The block that holds the address itself. A small number is a per-CPU cookie.
  std::optional<BlockRef> find(Addr address) const;
  Addr start_of(BlockRef block) const { return look_.snapshot.slot_address(look_.snapshot.spans[block.span], block.slot); }
  // An address in one CPU's copy of a per-CPU block has its offset in that copy.
  u64 offset_in(BlockRef block, Addr address) const;
  WhoBlock block_of(BlockRef ref) const;
  // `at`: where `word` stands; 0: not known.
  Referrer referrer(Addr at, u64 word) const;
  // What stands at an address that no block holds.
  std::string place(Addr at) const { return places_.describe(at); }

 private:
  bool is_on_live_stack(Addr address) const;
  BlockState state_of(const Span& span, u64 slot) const;

  const Look& look_;
  const Owners& owners_;
  const Symbols& symbols_;
  const BitVector& reached_;
  Places places_;
};

}  // namespace orphan::kernel
