// SPDX-License-Identifier: Apache-2.0
#include "kernel/places.h"

#include <fmt/format.h>

#include "report/format.h"

namespace orphan::kernel {
namespace {

std::string with_offset(std::string_view name, u64 offset) {
  return offset == 0 ? std::string(name) : fmt::format("{}+0x{:x}", name, offset);
}

}  // namespace

Places::Places(const Kernel& kernel, const Look& look, const Symbols& symbols) : kernel_(kernel), look_(look), symbols_(symbols) {
  for (u32 i = 0; i < symbols.size(); ++i) {
    Addr address = symbols.address_of(i);
    if (look.percpu.static_cookies.contains(address)) percpu_symbols_.try_emplace(address.value, i);
  }
}

std::string Places::describe(Addr at) const {
  if (!at) return "a place that was not noted";
  for (const Task& task : look_.tasks) {
    if (!task.stack || at - task.stack >= look_.stack_bytes) continue;
    return with_offset(fmt::format("stack of task {} ({})", task.pid, printable(task.name)), at - task.stack);
  }
  for (std::size_t cpu = 0; cpu < look_.percpu.offsets.size(); ++cpu) {
    Addr cookie{at.value - look_.percpu.offsets[cpu]};
    if (look_.percpu.static_cookies.contains(cookie)) return fmt::format("per-CPU variable of CPU {}: {}", cpu, variable(cookie));
  }
  Addr linked = at;
  const AddressSpace& space = kernel_.memory.space();
  if (space.linear_span().contains(at)) {
    u64 offset = (at - space.linear_map) - kernel_.image_physical;
    linked = kernel_.image.start + offset;
  }
  if (auto symbol = symbols_.lookup(linked)) {
    std::string kind = symbol->module.empty() ? "image" : fmt::format("module {}", printable(symbol->module));
    return fmt::format("{}: {}", kind, with_offset(printable(symbol->name), symbol->offset));
  }
  if (auto module = symbols_.module_at(at); !module.empty())
    return fmt::format("module {}: {}", printable(module), to_string(at));
  const PageDescriptors& pages = look_.snapshot.page_descriptors;
  if (pages.range.contains(at)) {
    Addr described = pages.first_page + (at - pages.range.start) / pages.descriptor_bytes * kPageBytes;
    return fmt::format("page descriptor of {}", to_string(described));
  }
  return page(at);
}

std::string Places::variable(Addr cookie) const {
  auto after = percpu_symbols_.upper_bound(cookie.value);
  if (after == percpu_symbols_.begin()) return to_string(cookie);
  auto symbol = std::prev(after);
  return with_offset(printable(symbols_.at(symbol->second).name), cookie.value - symbol->first);
}

std::string Places::page(Addr at) const {
  const AddressSpace& space = kernel_.memory.space();
  if (!space.linear_span().contains(at)) return "no memory of the kernel's that is known";
  u64 frame = (at - space.linear_map) / kPageBytes;
  std::string start = with_offset(to_string(Addr{align_down(at.value, kPageBytes)}), at.value % kPageBytes);
  if (look_.pages.plain.test(frame)) return "kernel page " + start;
  if (look_.pages.reserved.test(frame)) return "boot memory " + start;
  return "page that is free, a user program's, or the page cache's: " + start;
}

}  // namespace orphan::kernel
