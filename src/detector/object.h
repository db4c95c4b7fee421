// SPDX-License-Identifier: Apache-2.0
// What the detector remembers of one block of memory over time, in kmemleak's terms. The colour of an object is never stored: it
// follows from how many references it needs and how many the last scan found.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/addr.h"

namespace orphan {

// Where the addresses of an object are. The same number in two spaces is two places.
enum class Space : u8 {
  Virtual,
  Physical,  // scanned where the linear map has it; no word refers to it
  PerCpu,    // `start` is a cookie: the copies stand at cookie + offset of the CPU
};
inline constexpr std::size_t kSpaces = 3;

enum class Colour : u8 {
  White,  // a candidate: fewer references than it needs
  Grey,   // referenced, or it needs no reference: then it is a root
  Black,  // neither scanned nor reported, and references to it change nothing
};

// Values of `min_count` with a meaning of their own.
inline constexpr i32 kNeedsNone = 0;  // grey for ever
inline constexpr i32 kIgnored = -1;   // black

inline constexpr u32 kNoChecksum = ~u32{0};  // not computed yet: so the first scan that finds an object white spares it

inline constexpr std::size_t kMostFrames = 16;
inline constexpr std::size_t kMostCommBytes = 15;

struct Object {
  Space space = Space::Virtual;
  Addr start = {};
  u64 size_bytes = 0;
  i32 min_count = 1;                   // references that it needs; or kNeedsNone, kIgnored
  i32 count = 0;                       // references that the last scan found; no further than up to min_count
  Addr excess_ref = {};                // start of the object that references beyond min_count go to; 0: none
  u32 checksum = kNoChecksum;          // of the contents, when it was last white
  i64 created = 0;                     // ns of the caller's clock
  std::optional<i64> first_seen = {};  // the same: when a scan first found it unreferenced; nothing: none did
  i32 pid = 0;
  std::string comm = {};
  std::vector<Addr> stack = {};        // of the allocation, innermost frame first
  std::vector<Range> scan_areas = {};  // if there are any, only these are scanned
  bool no_scan = false;                // contents are not scanned
  bool full_scan = false;              // scan_areas were given up for want of room: everything is scanned
  bool is_reported = false;            // a scan has counted it as new; only forget() undoes it
  bool is_cleared = false;             // painted grey by clear(): min_count was `cleared_min_count`
  i32 cleared_min_count = 0;
  u32 unreferenced_scans = 0;  // so many in a row, up to the last one, found it unreferenced
  u64 generation = 0;          // an address that is used anew is another object; ascending in order of registration
  std::optional<u64> born =
      {};           // stamp of the allocation, of any unit: where both have one and they differ, it is another object
  u64 seen_in = 0;  // number of the last scan by a marker that saw it unreferenced

  Range range() const { return {start, size_bytes}; }
};

inline Colour colour(const Object& object) {
  if (object.min_count == kIgnored) return Colour::Black;
  return object.count < object.min_count ? Colour::White : Colour::Grey;
}

// As much of `range` as there is before the end of the address space.
inline Range to_end_of_space(Range range) {
  bool wraps = range.size_bytes != 0 && range.end() - 1 < range.start;
  return wraps ? Range{range.start, 0 - range.start.value} : range;
}

// Whether a reader of the reports sees it now.
inline bool is_listed(const Object& object) {
  return object.is_reported && !object.is_cleared && colour(object) == Colour::White;
}

}  // namespace orphan
