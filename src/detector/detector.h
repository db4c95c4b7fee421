// SPDX-License-Identifier: Apache-2.0
// A leak over time: what was seen unreferenced in one scan after the other, what was reported, what was cleared.
//
// A marker of somebody else's has no record of each object; only what it found unreferenced comes here, confirmed over several
// passes already. A scan of that kind is begin_scan(), a see_unreferenced() for each such block, a see_gone() for each that was
// freed, and end_scan(). What was known and is not seen in a scan is grey in that scan: something refers to it again, it is not
// listed, and when it comes back it is not new.
//
// Nothing here does I/O or asks for the time: times are those of the caller's clock, not negative, and do not go back.
#pragma once
#include "detector/object_table.h"

namespace orphan {

// A block that a marker found unreferenced.
struct Sighting {
  Space space = Space::Virtual;
  Addr start;
  u64 size_bytes = 0;  // not 0
  u32 checksum = 0;
  std::optional<u64> born = {};
};

struct DetectorCounts {
  u64 objects = 0;
  u64 reported = 0;  // listed, cleared, or referenced again
  u64 listed = 0;
  u64 cleared = 0;

  bool operator==(const DetectorCounts&) const = default;
};

class Detector {
 public:
  Detector() = default;
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;
  ~Detector() = default;

  // ---- A scan by a marker.
  void begin_scan(i64 now_ns);
  // White in this scan, unless it needs no reference or is ignored. It is the object that was known where start and size are the
  // same, and the stamps of allocation; where not both have one, the checksums. Else what was known there is forgotten.
  const Object& see_unreferenced(const Sighting& sighting);
  // What starts there was freed, or is something else now. It need not be known.
  void see_gone(Space space, Addr start);
  // How many objects are reported that were not before.
  u64 end_scan();
  // Nothing is reported. What was seen until then stays known, and white.
  void abort_scan();
  bool is_scanning() const { return is_scanning_; }

  // ---- What the user decides.
  // Every object that is reported and white now is a root from now on, and not listed any more. How many these are.
  u64 clear();
  // Undoes every clear(): these objects are as if they had never been reported. How many these are.
  u64 forget();

  // ---- What is known.
  // The object that has the byte at `at`, or null. Valid until the next call that changes anything.
  const Object* find(Space space, Addr at) const { return objects_.find(space, at); }
  // Calls f(object) for each, in order of registration.
  template <typename F>
  void for_each(F&& f) const {
    objects_.for_each(f);
  }
  // Those that are listed, in the same order.
  template <typename F>
  void for_each_listed(F&& f) const {
    objects_.for_each([&](const Object& object) {
      if (is_listed(object)) f(object);
    });
  }
  // Those that need no reference, cleared ones among them: for a marker they are roots.
  template <typename F>
  void for_each_root(F&& f) const {
    objects_.for_each([&](const Object& object) {
      if (object.min_count == kNeedsNone) f(object);
    });
  }
  DetectorCounts counts() const;

  // An object that an earlier run had, as it was; its generation is a new one. One that was cleared may come with the min_count
  // that it had before. False: it has no bytes, or wraps around, or its place is taken.
  [[nodiscard]] bool restore(Object object);

 private:
  void forget_in(Space space, Range range);

  ObjectTable objects_;
  bool is_scanning_ = false;
  u64 scan_ = 0;        // number of the last scan by a marker
  i64 scan_start_ = 0;  // of the last scan of any kind
};

}  // namespace orphan
