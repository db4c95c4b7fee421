// SPDX-License-Identifier: Apache-2.0
// What is sampled: series of whole numbers, each with a kind, the name of the thing that is measured, and which of its properties
// it is. What takes samples hands them as readings to a sink, and knows nothing of how they are kept.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace orphan::watch {

enum class Kind : u8 { Memory, Slab, Vmalloc, Site, Buddy, Processes, Process, Cgroup, Pressure, Kmemleak };
enum class Unit : u8 { Bytes, Count, Microseconds };

// Their words in files, in the order of the enumerators.
inline constexpr std::array<std::string_view, 10> kKindWords{"memory",    "slab",    "vmalloc", "site",     "buddy",
                                                             "processes", "process", "cgroup",  "pressure", "kmemleak"};
inline constexpr std::array<std::string_view, 3> kUnitWords{"bytes", "count", "microseconds"};

constexpr std::string_view word(Kind kind) {
  return kKindWords[static_cast<std::size_t>(kind)];
}
constexpr std::string_view word(Unit unit) {
  return kUnitWords[static_cast<std::size_t>(unit)];
}
std::optional<Kind> kind_of(std::string_view word);
std::optional<Unit> unit_of(std::string_view word);

// The moment of a sample on three clocks, in milliseconds. `boot_ms` counts from the boot on and goes on while the machine is
// suspended; `awake_ms` does not. So a step of the wall clock is seen as a change of wall - boot, and a suspend as one of boot -
// awake.
struct Stamp {
  i64 wall_ms = 0;
  i64 boot_ms = 0;
  i64 awake_ms = 0;

  bool operator==(const Stamp&) const = default;
};

// One number. `scale` is what the number is multiplied with for its unit: 1024 for the kernel's "kB", the size of a page, or 1.
struct Reading {
  Kind kind = Kind::Memory;
  Unit unit = Unit::Count;
  i64 scale = 1;
  std::string_view name = {};   // a cache, a caller, "comm pid start"; empty where there is only one thing of the kind
  std::string_view field = {};  // "objects", "MemFree"
  i64 value = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual void add(const Reading& reading) = 0;
  // Whether the sample before had something of this name.
  virtual bool has(Kind kind, std::string_view name) const = 0;
};

}  // namespace orphan::watch
