// SPDX-License-Identifier: Apache-2.0
// VMCOREINFO: what a kernel tells about itself for the readers of its memory, as lines of KEY=VALUE (kernel/vmcore_info.c; up to
// 6.9 kernel/crash_core.c). Lines that are not of a known form are ignored.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/addr.h"

namespace orphan::kernel {

class Vmcoreinfo {
 public:
  // Never fails: what is not there is not found. A key that stands twice has its first value.
  static Vmcoreinfo parse(std::string_view text);

  // The value of a whole key, such as "PAGESIZE" or "SYMBOL(_stext)".
  std::optional<std::string_view> value(std::string_view key) const;

  std::optional<Addr> symbol(std::string_view name) const;
  // Decimal, or hexadecimal after 0x. A negative value is given in two's complement, as in NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE).
  std::optional<u64> number(std::string_view name) const;
  std::optional<u64> offset(std::string_view member) const;  // "page.flags"
  std::optional<u64> size(std::string_view type) const;
  std::optional<u64> length(std::string_view array) const;
  // How far KASLR moved the image.
  std::optional<u64> kernel_offset() const;

  std::string release() const;   // uname -r; empty: unknown
  std::string build_id() const;  // hexadecimal; since 5.11; empty: unknown

  bool empty() const { return entries_.empty(); }

 private:
  std::optional<std::string_view> value(std::string_view kind, std::string_view name) const;

  std::map<std::string, std::string, std::less<>> entries_;
};

}  // namespace orphan::kernel
