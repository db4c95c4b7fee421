// SPDX-License-Identifier: Apache-2.0
#include "detector/detector.h"

#include <utility>

#include "base/verify.h"

namespace orphan {
namespace {

bool is_same(const Object& object, Range range, const Sighting& sighting) {
  if (object.range() != range) return false;
  if (object.born && sighting.born) return *object.born == *sighting.born;
  return object.checksum == sighting.checksum;
}

}  // namespace

Detector::Detector(DetectorOptions options)
    : warn_(std::move(options.warn)),
      min_age_ns_(options.min_age_ns),
      attributes_(objects_, degradation_, warn_, options.attribute_bytes) {}

void Detector::begin_scan(i64 now_ns) {
  VERIFY(!is_scanning_);
  is_scanning_ = true;
  ++scan_;
  scan_start_ = now_ns;
}

const Object& Detector::see_unreferenced(const Sighting& sighting) {
  VERIFY(is_scanning_ && sighting.size_bytes != 0);
  Range range = to_end_of_space({sighting.start, sighting.size_bytes});
  Object* object = objects_.find(sighting.space, sighting.start);
  if (object == nullptr || !is_same(*object, range, sighting)) {
    while (const Object* old = objects_.first_in(sighting.space, range)) remove(*old);
    object =
        &objects_.add({.space = sighting.space, .start = range.start, .size_bytes = range.size_bytes, .created = scan_start_});
  }
  object->checksum = sighting.checksum;
  if (sighting.born) object->born = sighting.born;
  if (!object->first_seen) object->first_seen = scan_start_;
  if (object->min_count > 0) object->count = 0;
  object->seen_in = scan_;
  return *object;
}

void Detector::see_gone(Space space, Addr start) {
  const Object* object = objects_.find(space, start);
  if (object != nullptr && object->start == start) remove(*object);
}

u64 Detector::end_scan() {
  VERIFY(is_scanning_);
  is_scanning_ = false;
  u64 reported = 0;
  objects_.for_each([&](Object& object) {
    if (object.seen_in != scan_ && object.min_count > 0) object.count = object.min_count;
    bool is_unreferenced = object.seen_in == scan_ && colour(object) == Colour::White;
    object.unreferenced_scans = is_unreferenced ? object.unreferenced_scans + 1 : 0;
    if (is_unreferenced && !std::exchange(object.is_reported, true)) ++reported;
  });
  return reported;
}

void Detector::abort_scan() {
  VERIFY(is_scanning_);
  is_scanning_ = false;
}

u64 Detector::clear() {
  u64 cleared = 0;
  objects_.for_each([&](Object& object) {
    if (!is_listed(object)) return;
    object.cleared_min_count = std::exchange(object.min_count, kNeedsNone);
    object.is_cleared = true;
    ++cleared;
  });
  return cleared;
}

u64 Detector::forget() {
  u64 forgotten = 0;
  objects_.for_each([&](Object& object) {
    if (!std::exchange(object.is_cleared, false)) return;
    object.min_count = object.cleared_min_count;
    object.count = 0;
    object.is_reported = false;
    ++forgotten;
  });
  return forgotten;
}

DetectorCounts Detector::counts() const {
  DetectorCounts counts{.objects = objects_.size()};
  objects_.for_each([&](const Object& object) {
    if (object.is_reported) ++counts.reported;
    if (is_listed(object)) ++counts.listed;
    if (object.is_cleared) ++counts.cleared;
  });
  return counts;
}

bool Detector::restore(Object object) {
  Range range = object.range();
  if (range.size_bytes == 0 || to_end_of_space(range) != range || objects_.first_in(object.space, range) != nullptr) return false;
  if (object.is_cleared && object.min_count > 0) object.cleared_min_count = std::exchange(object.min_count, kNeedsNone);
  std::string comm = std::exchange(object.comm, {});
  std::vector<Addr> stack = std::exchange(object.stack, {});
  std::vector<Range> areas = std::exchange(object.scan_areas, {});
  object.seen_in = 0;
  Object& added = objects_.add(std::move(object));
  attributes_.set_comm(added, comm);
  attributes_.set_stack(added, stack);
  for (Range area : areas) attributes_.add_scan_area(added, area);
  return true;
}

void Detector::remove(const Object& object) {
  attributes_.release(object);
  objects_.remove(object);
}

}  // namespace orphan
