// SPDX-License-Identifier: Apache-2.0
#include "kernel/suppressions.h"

#include <array>

namespace orphan::kernel {
namespace {

constexpr std::array<SuppressionText, 2> kSuppressions{{
    {"sysctl-empty-directory",
     "the header of a sysctl directory without entries: registered for ever, and no entry's node leads back to it "
     "(fs/proc/proc_sysctl.c and kernel/ucount.c tell kmemleak the same)"},
    {"sysctl-base", "the header of a sysctl base directory (up to 6.4): registered for ever, its caller keeps no pointer"},
}};

// All rules are about headers of sysctl directories, which are small.
constexpr u64 kLargest = 512;

}  // namespace

std::span<const SuppressionText> suppressions() {
  return kSuppressions;
}

bool Suppressor::may_match(u64 size_bytes) const {
  return layouts_.sysctl && size_bytes >= layouts_.sysctl->header_bytes && size_bytes <= kLargest;
}

std::optional<std::size_t> Suppressor::match(Bytes contents) const {
  if (is_empty_sysctl_directory(contents)) return 0;
  if (is_sysctl_base(contents)) return 1;
  return std::nullopt;
}

bool Suppressor::is_in_image(u64 address) const {
  auto symbol = symbols_.lookup(Addr{address});
  return symbol && symbol->module.empty();
}

// A header that is registered with the root of all sysctl trees, and whose table, in the kernel image, has no entry.
bool Suppressor::is_empty_sysctl_directory(Bytes contents) const {
  if (!layouts_.sysctl || !globals_.sysctl_table_root || contents.size() < layouts_.sysctl->header_bytes) return false;
  const SysctlLayout& layout = *layouts_.sysctl;
  auto word = [&](Offset offset) { return load_unchecked<u64>(contents.data() + offset); };
  if (word(layout.root) != globals_.sysctl_table_root->value || !is_in_image(word(layout.ctl_table))) return false;
  if (layout.table_size) return load_unchecked<u32>(contents.data() + *layout.table_size) == 0;
  auto first_name = read_value<u64>(memory_, Addr{word(layout.ctl_table)});
  return first_name && *first_name == 0;
}

// A header that only groups those of its subdirectories: it has a table of the image to show for it and nothing else.
bool Suppressor::is_sysctl_base(Bytes contents) const {
  if (!layouts_.sysctl || layouts_.sysctl->table_size || contents.size() < layouts_.sysctl->header_bytes) return false;
  const SysctlLayout& layout = *layouts_.sysctl;
  for (Offset offset = 0; offset + 8 <= layout.header_bytes; offset += 8) {
    u64 value = load_unchecked<u64>(contents.data() + offset);
    if (offset == layout.table_argument ? !is_in_image(value) : value != 0) return false;
  }
  return true;
}

}  // namespace orphan::kernel
