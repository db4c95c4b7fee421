// SPDX-License-Identifier: Apache-2.0
// The notes of a tracker in a file, for a scan that comes later: `orphan track --save`, `orphan scan --notes`. docs/track.md has
// the format. A file is of one boot of one kernel.
#pragma once
#include <memory>

#include "kernel/images.h"
#include "kernel/symbols.h"
#include "track/record_table.h"

namespace orphan::track {

// What a file begins with. One frame of zstd follows, with its checksum.
inline constexpr std::string_view kNotesMagic = "orphan notes 1\n";

struct SavedFacts {
  std::string boot_id;  // of /proc/sys/kernel/random/boot_id
  std::string release;  // of the kernel
  i64 ended_unix_s = 0;
  u64 events = 0;    // allocations that were seen
  u64 replaced = 0;  // notes that took another's place
};

class SavedRecords {
 public:
  // Whole or not at all; what modules are called, `module_tables`, is for frames in some that may be gone.
  static Result<void> write(const std::string& path, const SavedFacts& facts, const RecordTable& table,
                            std::span<const kernel::Symbols::ModuleTable> module_tables, const kernel::BuildIds& build_ids);
  // BadData: it is no such file, or damaged.
  static Result<std::unique_ptr<SavedRecords>> read(const std::string& path);
  // What is in such a file; `name` is for the errors.
  static Result<std::unique_ptr<SavedRecords>> parse(Bytes file, const std::string& name);

  SavedRecords(const SavedRecords&) = delete;
  SavedRecords& operator=(const SavedRecords&) = delete;

  const SavedFacts& facts() const { return facts_; }
  const RecordTable& table() const { return *table_; }
  const kernel::BuildIds& build_ids() const { return build_ids_; }
  void add_symbols(kernel::Symbols& symbols) const;

 private:
  SavedRecords() = default;

  SavedFacts facts_;
  std::vector<orphan_bucket> buckets_;
  std::vector<orphan_stack> stacks_;
  std::optional<RecordTable> table_;
  std::vector<kernel::Symbols::ModuleTable> module_tables_;
  kernel::BuildIds build_ids_;
};

}  // namespace orphan::track
