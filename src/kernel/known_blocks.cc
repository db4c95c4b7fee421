// SPDX-License-Identifier: Apache-2.0
#include "kernel/known_blocks.h"

#include "detector/checksum.h"

namespace orphan::kernel {
namespace {

class KnownBlocks {
 public:
  KnownBlocks(Look& look, const Kernel& kernel, const Owners& owners, const AllocationRecords* records)
      : look_(look), owners_(owners), records_(records), checksummer_(kernel.memory, look.snapshot.copy_offsets) {}

  Result<void> judge(KnownBlock& known) {
    auto found = find(known);
    if (!found) {
      known.is_gone = true;
      return {};
    }
    const Span& span = look_.snapshot.spans[found->span];
    if (span.has(span_flag::kRoot)) return {};
    known.is_gone = !TRY(is_the_same(known, span, found->slot));
    if (!known.is_gone && known.is_root) look_.snapshot.root_blocks.push_back(*found);
    return {};
  }

 private:
  std::optional<BlockRef> find(const KnownBlock& known) const {
    auto found = look_.index->find(known.start.value);
    if (!found || !look_.snapshot.live.test(found->slot)) return std::nullopt;
    const Span& span = look_.snapshot.spans[found->span];
    bool is_whole = look_.snapshot.slot_address(span, found->slot) == known.start &&
                    look_.snapshot.shape_of(span).object_bytes == known.size_bytes;
    return is_whole ? found : std::nullopt;
  }

  Result<bool> is_the_same(const KnownBlock& known, const Span& span, u64 slot) {
    if (records_ != nullptr && known.jiffies) {
      const Owner& owner = owners_[look_.snapshot.shape_of(span).owner];
      auto record = records_->of(owner, known.start, known.size_bytes);
      if (record) return record->jiffies == *known.jiffies;
    }
    auto checksum = TRY(checksummer_.of(look_.snapshot, span, slot));
    return checksum == known.checksum;
  }

  Look& look_;
  const Owners& owners_;
  const AllocationRecords* records_;
  Checksummer checksummer_;
};

}  // namespace

Result<void> find_known(std::span<KnownBlock> known, Look& look, const Kernel& kernel, const Owners& owners,
                        const AllocationRecords* records) {
  if (known.empty()) return {};
  KnownBlocks blocks(look, kernel, owners, records);
  for (KnownBlock& block : known) {
    if (!block.is_gone) TRY(blocks.judge(block));
  }
  return {};
}

}  // namespace orphan::kernel
