// SPDX-License-Identifier: Apache-2.0
#include "report/kmemleak.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "report/format.h"

namespace orphan {
namespace {

// mm/kmemleak.c's HEX_MAX_LINES rows, and its MAX_TRACE.
constexpr std::size_t kDumpBytes = 2 * kHexRowBytes;
constexpr std::size_t kMaxFrames = 16;

std::string hex_dump_lines(const LeakedObject& object, bool is_per_cpu) {
  std::size_t shown = std::min(object.contents.size(), kDumpBytes);
  if (object.size_bytes < shown) shown = static_cast<std::size_t>(object.size_bytes);
  if (shown == 0) return {};
  std::string cpu = is_per_cpu ? fmt::format(" on cpu {}", object.cpu) : "";
  return fmt::format("  hex dump (first {} bytes{}):\n", shown, cpu) + hex_dump(object.contents, shown, "    ");
}

// Return addresses only: the kernel knows of no inlined functions.
std::string backtrace_lines(const Leak& leak) {
  std::string out;
  std::size_t shown = 0;
  for (const Frame& frame : leak.stack) {
    if (frame.is_inlined) continue;
    if (shown++ == kMaxFrames) break;
    fmt::format_to(std::back_inserter(out), "    {}\n", to_string(frame));
  }
  return out;
}

std::string record(const Leak& leak, const LeakedObject& object, const std::string& frames) {
  bool is_per_cpu = leak.kind == BlockKind::PerCpu;
  std::string out = fmt::format("unreferenced object{} {} (size {}):\n", is_per_cpu ? " (percpu)" : "", to_string(object.address),
                                object.size_bytes);
  fmt::format_to(std::back_inserter(out), "  comm \"{}\", pid {}, jiffies {}\n",
                 object.comm.empty() ? "unknown" : printable(object.comm), object.pid.value_or(0), object.jiffies.value_or(0));
  out += hex_dump_lines(object, is_per_cpu);
  fmt::format_to(std::back_inserter(out), "  backtrace (crc {:x}):\n", object.checksum);
  return out + frames;
}

void add_leaks(std::string& out, const std::vector<Leak>& leaks) {
  for (const Leak& leak : leaks) {
    std::string frames = backtrace_lines(leak);
    for (const LeakedObject& object : leak.objects) out += record(leak, object, frames);
  }
}

}  // namespace

std::string to_kmemleak(const Leak& leak, const LeakedObject& object) {
  return record(leak, object, backtrace_lines(leak));
}

std::string to_kmemleak(const Report& report) {
  std::string out;
  add_leaks(out, report.leaks);
  if (report.pages) add_leaks(out, report.pages->groups);
  return out;
}

}  // namespace orphan
