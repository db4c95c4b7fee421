// SPDX-License-Identifier: Apache-2.0
#include "kernel/block_names.h"

#include <algorithm>

#include "kernel/evidence.h"

namespace orphan::kernel {

std::optional<BlockRef> BlockNames::find(Addr address) const {
  if (is_on_live_stack(address)) return std::nullopt;
  if (look_.snapshot.page_descriptors.range.contains(address)) return std::nullopt;
  return look_.index->find(address.value);
}

bool BlockNames::is_on_live_stack(Addr address) const {
  return std::ranges::any_of(look_.tasks,
                             [&](const Task& task) { return task.stack && address - task.stack < look_.stack_bytes; });
}

u64 BlockNames::offset_in(BlockRef block, Addr address) const {
  const Span& span = look_.snapshot.spans[block.span];
  u64 size = look_.snapshot.shape_of(span).object_bytes;
  u64 offset = address - start_of(block);
  if (offset < size || !span.has(span_flag::kReplicated)) return offset;
  for (u64 copy : look_.snapshot.copy_offsets) {
    if (address - (start_of(block) + copy) < size) return address - (start_of(block) + copy);
  }
  return 0;
}

WhoBlock BlockNames::block_of(BlockRef ref) const {
  const Span& span = look_.snapshot.spans[ref.span];
  const Shape& shape = look_.snapshot.shape_of(span);
  const Owner& owner = owners_[shape.owner];
  WhoBlock block;
  block.address = start_of(ref);
  block.size_bytes = shape.object_bytes;
  block.kind = owner.kind;
  block.cache = owner.name;
  if (owner.caller) block.caller = to_frame(owner.caller, symbols_);
  block.state = state_of(span, ref.slot);
  return block;
}

BlockState BlockNames::state_of(const Span& span, u64 slot) const {
  if (!look_.snapshot.live.test(slot)) return BlockState::Free;
  if (span.has(span_flag::kRoot)) return span.has(span_flag::kNoScan) ? BlockState::Untracked : BlockState::Unstable;
  return reached_.test(slot) ? BlockState::Referenced : BlockState::Unreferenced;
}

Referrer BlockNames::referrer(Addr at, u64 word) const {
  Referrer result{.at = at, .word = word};
  auto block = at ? find(at) : std::nullopt;
  if (block) {
    result.block = block_of(*block);
    result.offset_bytes = offset_in(*block, at);
  } else {
    result.root = places_.describe(at);
  }
  return result;
}

}  // namespace orphan::kernel
