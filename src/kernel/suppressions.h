// SPDX-License-Identifier: Apache-2.0
// Blocks that stock kernels drop on purpose: never freed, and nothing points to them any more. A rule knows such a block by
// its contents; what it matched is counted and printed.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "kernel/globals.h"
#include "kernel/layouts.h"

namespace orphan::kernel {

struct SuppressionText {
  std::string_view rule;
  std::string_view reason;
};
std::span<const SuppressionText> suppressions();

class Suppressor {
 public:
  Suppressor(const KernelMemory& memory, const Layouts& layouts, const Globals& globals, const Symbols& symbols)
      : memory_(memory), layouts_(layouts), globals_(globals), symbols_(symbols) {}

  // Whether a rule may match a slab object of that size; then it is worth reading.
  bool may_match(u64 size_bytes) const;
  // The number of the rule that matches the slab object with these contents.
  std::optional<std::size_t> match(Bytes contents) const;

 private:
  bool is_empty_sysctl_directory(Bytes contents) const;
  bool is_sysctl_base(Bytes contents) const;
  bool is_in_image(u64 address) const;

  const KernelMemory& memory_;
  const Layouts& layouts_;
  const Globals& globals_;
  const Symbols& symbols_;
};

}  // namespace orphan::kernel
