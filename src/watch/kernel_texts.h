// SPDX-License-Identifier: Apache-2.0
// Lines of the kernel's own accounts of memory, of all kernels that have such a file. A line that is none of the file's gives
// nothing. The texts of a result are parts of the line.
#pragma once
#include <array>
#include <optional>
#include <string_view>

#include "base/types.h"
#include "watch/series.h"

namespace orphan::watch {

// "MemFree:  1234 kB"; without "kB" it is a count.
struct MemoryLine {
  std::string_view name;
  i64 value = 0;
  bool is_kb = false;
};
std::optional<MemoryLine> parse_meminfo(std::string_view line);

// What a line of slabinfo means is said by the version in its first line: 1.x (Linux 2.4) has no objects per slab.
enum class SlabVersion : u8 { One, Two };
std::optional<SlabVersion> parse_slabinfo_version(std::string_view line);

struct SlabLine {
  std::string_view name;
  i64 active_objects = 0, objects = 0, object_bytes = 0;
  i64 pages_per_slab = 0, slabs = 0;
};
std::optional<SlabLine> parse_slabinfo(std::string_view line, SlabVersion version);

// "0x…-0x…  8192 caller+0x1d/0x60 [module] pages=1 vmalloc …". Addresses are hidden from who may not see them:
// "(ptrval)-(ptrval)".
struct VmallocLine {
  std::string_view caller;   // the function, without offsets
  std::string_view module;   // without brackets; empty: none
  std::optional<i64> pages;  // nothing: it maps something that is no memory of its own
};
std::optional<VmallocLine> parse_vmallocinfo(std::string_view line);

// "  4096  1 mm/slub.c:1234 [module] func:f" of /proc/allocinfo (6.10).
struct SiteLine {
  i64 bytes = 0, calls = 0;
  std::string_view where;
};
std::optional<SiteLine> parse_allocinfo(std::string_view line);

// "Node 0, zone   Normal   1 2 3 …": free blocks of each order.
struct BuddyLine {
  i64 node = 0;
  std::string_view zone;
  std::array<i64, 16> blocks = {};
  std::size_t orders = 0;
};
std::optional<BuddyLine> parse_buddyinfo(std::string_view line);

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=123".
struct PressureLine {
  bool is_full = false;
  i64 total_us = 0;
};
std::optional<PressureLine> parse_pressure(std::string_view line);

// Readings of a line, the same whether it is of a live file or of an old log.
void add_line(Sink& sink, const MemoryLine& line);
void add_line(Sink& sink, const SlabLine& line, i64 page_bytes);
void add_line(Sink& sink, const BuddyLine& line);

}  // namespace orphan::watch
