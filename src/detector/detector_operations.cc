// SPDX-License-Identifier: Apache-2.0
// What the detector is told of blocks. The rules for addresses that are not known, or lie inside of a block, are those of the
// newest kernel's kmemleak.
#include <fmt/format.h>

#include <utility>

#include "base/verify.h"
#include "detector/detector.h"

namespace orphan {
namespace {

// 0, or an error code where a pointer is expected: the kernel has those in the last page of the address space.
bool is_no_block(Addr at) {
  constexpr u64 kMostErrors = 4095;
  return at.value == 0 || at.value >= 0 - kMostErrors;
}

}  // namespace

void Detector::alloc(Range block, i32 min_count, const Origin& origin) {
  if (is_no_block(block.start)) return;
  insert({.space = Space::Virtual, .start = block.start, .size_bytes = block.size_bytes, .min_count = min_count}, origin);
}

void Detector::alloc_percpu(Range block, const Origin& origin) {
  if (is_no_block(block.start)) return;
  insert({.space = Space::PerCpu, .start = block.start, .size_bytes = block.size_bytes}, origin);
}

void Detector::alloc_phys(Range block, const Origin& origin) {
  insert({.space = Space::Physical, .start = block.start, .size_bytes = block.size_bytes, .min_count = kNeedsNone}, origin);
}

void Detector::vmalloc(Addr area, Range block, const Origin& origin) {
  if (is_no_block(block.start)) return;
  insert({.space = Space::Virtual, .start = block.start, .size_bytes = block.size_bytes, .min_count = 2}, origin);
  if (is_no_block(area)) return;
  if (Object* object = find_exact(Space::Virtual, area)) {
    object->excess_ref = block.start;
  } else {
    warn(fmt::format("Setting excess_ref on unknown object at 0x{:08x}", area.value));
  }
}

void Detector::free(Addr start) {
  if (!is_no_block(start)) remove_exact(Space::Virtual, start);
}

void Detector::free_percpu(Addr start) {
  if (!is_no_block(start)) remove_exact(Space::PerCpu, start);
}

void Detector::free_part(Range part, const Origin& origin) {
  if (!is_no_block(part.start)) remove_part(Space::Virtual, part, origin);
}

void Detector::free_part_phys(Range part, const Origin& origin) {
  remove_part(Space::Physical, part, origin);
}

void Detector::not_leak(Addr start) {
  if (!is_no_block(start)) paint(Space::Virtual, start, kNeedsNone);
}

void Detector::transient_leak(Addr start) {
  if (is_no_block(start)) return;
  if (Object* object = find_exact(Space::Virtual, start)) {
    object->checksum = kNoChecksum;
  } else {
    warn(fmt::format("Not resetting the checksum of an unknown object at 0x{:08x}", start.value));
  }
}

void Detector::ignore(Addr start) {
  if (!is_no_block(start)) paint(Space::Virtual, start, kIgnored);
}

void Detector::ignore_percpu(Addr start) {
  if (!is_no_block(start)) paint(Space::PerCpu, start, kIgnored);
}

void Detector::ignore_phys(Addr start) {
  paint(Space::Physical, start, kIgnored);
}

void Detector::scan_area(Range area) {
  if (is_no_block(area.start) || area.size_bytes == 0) return;
  Object* object = objects_.find(Space::Virtual, area.start);
  if (object == nullptr) return warn(fmt::format("Adding scan area to unknown object at 0x{:08x}", area.start.value));
  u64 room = object->range().end() - area.start;
  if (area.size_bytes == kToTheEnd) area.size_bytes = room;
  if (area.size_bytes > room) return warn(fmt::format("Scan area larger than object 0x{:08x}", area.start.value));
  attributes_.add_scan_area(*object, area);
}

void Detector::no_scan(Addr start) {
  if (is_no_block(start)) return;
  if (Object* object = find_exact(Space::Virtual, start)) {
    object->no_scan = true;
  } else {
    warn(fmt::format("Not scanning unknown object at 0x{:08x}", start.value));
  }
}

void Detector::update_trace(Addr at, std::span<const Addr> stack) {
  if (is_no_block(at)) return;
  if (Object* object = objects_.find(Space::Virtual, at)) attributes_.set_stack(*object, stack);
}

void Detector::warn(std::string text) const {
  if (warn_) warn_(std::move(text));
}

Object* Detector::find_exact(Space space, Addr at) {
  Object* object = objects_.find(space, at);
  if (object == nullptr || object->start == at) return object;
  warn(fmt::format("Found object by alias at 0x{:08x}", at.value));
  return nullptr;
}

Object& Detector::insert(Object object, const Origin& origin) {
  Range range = to_end_of_space(object.range());
  object.size_bytes = range.size_bytes;
  object.created = origin.now_ns;
  object.pid = origin.pid;
  object.born = origin.born;
  make_way(object.space, range, origin);
  Object& added = objects_.add(std::move(object));
  attributes_.set_comm(added, origin.comm);
  attributes_.set_stack(added, origin.stack);
  return added;
}

// A heap hands out what was freed: of an object that might be reported nothing may stay, or that would be reported. A root is
// mostly memory that is there for ever and has pieces taken out of it.
void Detector::make_way(Space space, Range range, const Origin& origin) {
  while (const Object* old = objects_.first_in(space, range)) {
    ++degradation_.overlaps;
    warn(fmt::format("Object 0x{:08x} (size {}) gives way to 0x{:08x}, which overlaps it", old->start.value, old->size_bytes,
                     range.start.value));
    bool is_root = old->min_count == kNeedsNone && !old->is_cleared;
    if (is_root) {
      cut(*old, range, origin);
    } else {
      remove(*old);
    }
  }
}

// What `object` has of `part` is freed; or, of an empty part within it, nothing, but it is divided there.
void Detector::cut(const Object& object, Range part, const Origin& origin) {
  Object rest{.space = object.space,
              .min_count = object.min_count,
              .is_cleared = object.is_cleared,
              .cleared_min_count = object.cleared_min_count};
  Range whole = object.range();
  remove(object);
  bool starts_inside = whole.contains(part.start);
  u64 before = starts_inside ? part.start - whole.start : 0;
  u64 freed = part.size_bytes - (starts_inside ? 0 : whole.start - part.start);
  if (before != 0) {
    rest.start = whole.start;
    rest.size_bytes = before;
    insert(rest, origin);
  }
  if (freed < whole.size_bytes - before) {
    rest.start = whole.start + before + freed;
    rest.size_bytes = whole.size_bytes - before - freed;
    insert(rest, origin);
  }
}

void Detector::remove_exact(Space space, Addr start) {
  if (const Object* object = find_exact(space, start)) remove(*object);
}

void Detector::remove_part(Space space, Range part, const Origin& origin) {
  if (const Object* object = objects_.find(space, part.start)) cut(*object, part, origin);
}

void Detector::paint(Space space, Addr start, i32 min_count) {
  Object* object = find_exact(space, start);
  if (object == nullptr) return;
  object->min_count = min_count;
  object->is_cleared = false;
  if (min_count == kIgnored) object->no_scan = true;
}

}  // namespace orphan
