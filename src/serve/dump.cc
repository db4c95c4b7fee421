// SPDX-License-Identifier: Apache-2.0
#include "serve/dump.h"

#include <fmt/format.h>

#include <iterator>

#include "base/verify.h"
#include "report/format.h"
#include "serve/log.h"

namespace orphan::serve {
namespace {

// As mm/kmemleak.c numbers them.
constexpr u32 kAllocated = 1, kReported = 2, kNoScan = 4, kPerCpu = 0x20;
constexpr std::size_t kMaxFrames = 16;

u32 flags_of(const WhoBlock& block, const Object* known) {
  u32 flags = kAllocated;
  if (known != nullptr && known->is_reported) flags |= kReported;
  if (block.state == BlockState::Untracked) flags |= kNoScan;
  if (block.kind == BlockKind::PerCpu) flags |= kPerCpu;
  return flags;
}

// An untracked one is reported in no case, and neither is one that was cleared.
i32 min_count_of(const WhoBlock& block, const Object* known) {
  if (block.state == BlockState::Untracked) return kIgnored;
  return known != nullptr ? known->min_count : 1;
}

}  // namespace

std::string to_dump(const Who& who, const Object* known, u32 checksum) {
  VERIFY(who.block.has_value());
  const WhoBlock& block = *who.block;
  std::string out;
  auto line = [&]<typename... Values>(fmt::format_string<Values...> format, Values&&... values) {
    out += Log::kDetector;
    fmt::format_to(std::back_inserter(out), format, std::forward<Values>(values)...);
    out += '\n';
  };
  line("Object{} {} (size {}):", block.kind == BlockKind::PerCpu ? " (percpu)" : "", to_string(block.address), block.size_bytes);
  line("  comm \"{}\", pid {}, jiffies {}", who.comm.empty() ? "unknown" : printable(who.comm), who.pid.value_or(0),
       known != nullptr ? known->born.value_or(0) : 0);
  line("  min_count = {}", min_count_of(block, known));
  line("  count = {}", block.state == BlockState::Unreferenced ? 0 : 1);
  line("  flags = {:#x}", flags_of(block, known));
  line("  checksum = {}", checksum);
  line("  backtrace:");
  std::size_t shown = 0;
  for (const Frame& frame : who.stack) {
    if (frame.is_inlined) continue;
    if (shown++ == kMaxFrames) break;
    fmt::format_to(std::back_inserter(out), " {}\n", to_string(frame));
  }
  return out;
}

}  // namespace orphan::serve
