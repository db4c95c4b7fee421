// SPDX-License-Identifier: Apache-2.0
// A leak over time: what was seen unreferenced in one scan after the other, what was reported, what was cleared. Unlike kmemleak
// it never gives up: what it had to do without is counted.
//
// Where every block of a target is registered through the Operations, scan() does what kmemleak's scan does: it follows the
// references from the roots, and spares what is too young or has changed since it was last found unreferenced, with all that
// it refers to.
//
// A marker of somebody else's has no record of each object; only what it found unreferenced comes here, confirmed over several
// passes already. A scan of that kind is begin_scan(), a see_unreferenced() for each such block, a see_gone() for each that was
// freed, and end_scan(). What was known and is not seen in a scan is grey in that scan: something refers to it again, it is not
// listed, and when it comes back it is not new.
//
// Nothing here does I/O or asks for the time: times are those of the caller's clock, not negative, and do not go back.
#pragma once
#include "detector/attributes.h"
#include "detector/object_table.h"
#include "detector/operations.h"
#include "memory/memory.h"

namespace orphan {

// A block that a marker found unreferenced.
struct Sighting {
  Space space = Space::Virtual;
  Addr start;
  u64 size_bytes = 0;  // not 0
  u32 checksum = 0;
  std::optional<u64> born = {};
};

// What there is to scan where all blocks are registered. Words are of 8 bytes, at natural alignment.
struct ScanInput {
  const Memory& memory;
  i64 now_ns = 0;
  std::span<const Range> roots = {};       // beside the objects that are roots
  std::span<const u64> copy_offsets = {};  // of per-CPU objects
  Range linear = {};                       // physical addresses that the linear map has; objects outside are ignored from now on
  Addr linear_start = {};                  // where it has the first of them
  std::function<bool()> is_interrupted = {};  // asked for each page and each object
};

struct ScanOutcome {
  u64 reported = 0;  // that were not before
  bool was_interrupted = false;
  // What could not be read. It may hide references; so what is reported may be no leak.
  u64 unread_bytes = 0;
  u64 unread_objects = 0;  // white, spared since their contents are not known

  bool operator==(const ScanOutcome&) const = default;
};

struct DetectorOptions {
  i64 min_age_ns = 5'000'000'000;  // of a leak, at the start of the scan that reports it; not for scans by a marker
  u64 attribute_bytes = ~u64{0};   // for stacks, names of tasks and scan areas of all objects together
  WarningSink warn = {};           // one line each, with kmemleak's own words where it has any
};

struct DetectorCounts {
  u64 objects = 0;
  u64 reported = 0;  // listed, cleared, or referenced again
  u64 listed = 0;
  u64 cleared = 0;

  bool operator==(const DetectorCounts&) const = default;
};

class Detector : public Operations {
 public:
  explicit Detector(DetectorOptions options = {});
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;

  // ---- What is registered. An object that overlaps a new one was freed, and nobody told: it is forgotten, and counted as an
  // overlap. Of a root only that part is.
  void alloc(Range block, i32 min_count, const Origin& origin) override;
  void alloc_percpu(Range block, const Origin& origin) override;
  void alloc_phys(Range block, const Origin& origin) override;
  void vmalloc(Addr area, Range block, const Origin& origin) override;
  void free(Addr start) override;
  void free_percpu(Addr start) override;
  void free_part(Range part, const Origin& origin) override;
  void free_part_phys(Range part, const Origin& origin) override;
  void not_leak(Addr start) override;
  void transient_leak(Addr start) override;
  void ignore(Addr start) override;
  void ignore_percpu(Addr start) override;
  void ignore_phys(Addr start) override;
  void scan_area(Range area) override;
  void no_scan(Addr start) override;
  void update_trace(Addr at, std::span<const Addr> stack) override;

  // ---- A scan where all blocks are registered. One that is interrupted, or fails since the memory has an error other than
  // NotMapped, reports nothing; counts and checksums are then as far as it came.
  Result<ScanOutcome> scan(const ScanInput& input);
  void set_min_age(i64 ns) { min_age_ns_ = ns; }

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
  const Degradation& degradation() const { return degradation_; }
  u64 attribute_bytes() const { return attributes_.bytes(); }

  // An object that an earlier run had, as it was; its generation is a new one. One that was cleared may come with the min_count
  // that it had before. False: it has no bytes, or wraps around, or its place is taken.
  [[nodiscard]] bool restore(Object object);

 private:
  void warn(std::string text) const;
  Object* find_exact(Space space, Addr at);
  Object& insert(Object object, const Origin& origin);
  void make_way(Space space, Range range, const Origin& origin);
  void cut(const Object& object, Range part, const Origin& origin);
  void remove(const Object& object);
  void remove_exact(Space space, Addr start);
  void remove_part(Space space, Range part, const Origin& origin);
  void paint(Space space, Addr start, i32 min_count);

  WarningSink warn_;
  i64 min_age_ns_;
  ObjectTable objects_;
  Degradation degradation_;
  Attributes attributes_;
  bool is_scanning_ = false;
  u64 scan_ = 0;        // number of the last scan by a marker
  i64 scan_start_ = 0;  // of the last one
};

}  // namespace orphan
