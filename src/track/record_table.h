// SPDX-License-Identifier: Apache-2.0
// The tables that the programs in the kernel write, read while they do or after: the last allocation at an address.
#pragma once
#include <map>
#include <span>

#include "kernel/allocation_records.h"
#include "track/records.h"

namespace orphan::track {

class RecordTable : public kernel::AllocationRecords {
 public:
  // Both are of a power of two, and must outlive this.
  RecordTable(std::span<const orphan_bucket> buckets, std::span<const orphan_stack> stacks)
      : buckets_(buckets), stacks_(stacks) {}

  std::optional<kernel::AllocationRecord> of(const kernel::Owner& owner, Addr block, u64 size_bytes) const override;

  // All that there are, with whatever two that wrote at once have left.
  std::vector<orphan_record> all() const;
  kernel::AllocationRecord allocation(const orphan_record& record) const;
  std::span<const orphan_bucket> buckets() const { return buckets_; }
  std::span<const orphan_stack> stacks() const { return stacks_; }
  // The numbers of the stacks that no record has any more.
  std::vector<u32> unused_stacks() const;
  // Which stacks there are of each call site, and of each way to it, by now; to be called before of(). Records without a stack of
  // their own get that of their way, or else of their site, where there is one only.
  void learn_sites();

 private:
  // The frames of the stack, whole as it was written; empty: it is not, or is another's by now.
  std::span<const orphan_u64> frames_of(u32 place_plus_one, u32 check) const;
  void add_stack(const orphan_record& record, kernel::AllocationRecord& to) const;

  std::span<const orphan_bucket> buckets_;
  std::span<const orphan_stack> stacks_;
  std::map<u64, u32> only_stack_;  // by orphan_way_key() and by call site: the number of its stack + 1; 0: it has several
};

}  // namespace orphan::track
