// SPDX-License-Identifier: Apache-2.0
#include "detector/slow_detector.h"

#include <algorithm>

#include "base/verify.h"

namespace orphan {
namespace {

bool is_pointer(Addr at) {
  return at.value != 0 && !(at.value >= 0xffff'ffff'ffff'f001);
}

u32 slow_crc(const Memory& memory, u32 sum, Range range) {
  std::vector<std::byte> bytes(range.size_bytes);
  auto read = memory.read(range.start, bytes);
  VERIFY(bool(read));
  for (std::byte byte : bytes) {
    sum ^= static_cast<u32>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = (sum & 1) != 0 ? sum >> 1 ^ 0xedb8'8320 : sum >> 1;
  }
  return sum;
}

bool is_white(const Object& object) {
  return object.min_count != -1 && object.count < object.min_count;
}

}  // namespace

// ---- Objects.

bool SlowDetector::has(const Object& object, Space space, Addr at) {
  return object.space == space && at >= object.start && at < object.start + object.size_bytes;
}

bool SlowDetector::overlaps(const Object& object, Space space, Range range) {
  if (object.space != space || object.size_bytes == 0 || range.size_bytes == 0) return false;
  return object.start < range.end() && range.start < object.range().end();
}

Object* SlowDetector::find(Space space, Addr at) {
  for (Object& object : objects) {
    if (has(object, space, at)) return &object;
  }
  return nullptr;
}

Object* SlowDetector::find_start(Space space, Addr at) {
  Object* object = find(space, at);
  if (object != nullptr && object->start != at) {
    ++warnings;
    return nullptr;
  }
  return object;
}

void SlowDetector::erase(u64 generation) {
  std::erase_if(objects, [&](const Object& object) { return object.generation == generation; });
}

Object& SlowDetector::by_generation(u64 generation) {
  auto at = std::ranges::find(objects, generation, &Object::generation);
  VERIFY(at != objects.end());
  return *at;
}

void SlowDetector::add(Object object, const Origin& origin) {
  u64 generation = object.generation = next_generation_++;
  objects.push_back(std::move(object));
  set_comm(generation, origin.comm);
  set_stack(generation, origin.stack);
}

void SlowDetector::insert(Object object, const Origin& origin) {
  for (;;) {
    // The one with the lowest address first: it decides in which order pieces of roots are registered.
    const Object* first = nullptr;
    for (const Object& old : objects) {
      if (overlaps(old, object.space, object.range()) && (first == nullptr || old.start < first->start)) first = &old;
    }
    if (first == nullptr) break;
    ++lost.overlaps;
    ++warnings;
    Object old = *first;
    if (old.min_count == 0 && !old.is_cleared) {
      cut(old, object.range(), origin);
    } else {
      erase(old.generation);
    }
  }
  object.created = origin.now_ns;
  object.pid = origin.pid;
  object.born = origin.born;
  add(std::move(object), origin);
}

void SlowDetector::cut(const Object& object, Range part, const Origin& origin) {
  Object old = object;
  erase(old.generation);
  std::vector<Range> runs;
  bool is_in_run = false;
  for (u64 i = 0; i < old.size_bytes; ++i) {
    Addr at = old.start + i;
    bool is_freed = at >= part.start && at - part.start < part.size_bytes;
    if (!is_freed && (!is_in_run || at == part.start)) runs.push_back({at, 0});
    if (!is_freed) ++runs.back().size_bytes;
    is_in_run = !is_freed;
  }
  for (Range run : runs) {
    insert({.space = old.space,
            .start = run.start,
            .size_bytes = run.size_bytes,
            .min_count = old.min_count,
            .is_cleared = old.is_cleared,
            .cleared_min_count = old.cleared_min_count},
           origin);
  }
}

// ---- What is known of them.

u64 SlowDetector::attribute_bytes() const {
  u64 bytes = 0;
  for (const Object& object : objects) bytes += object.comm.size() + 8 * object.stack.size() + 16 * object.scan_areas.size();
  return bytes;
}

void SlowDetector::make_room(u64 bytes, bool for_area) {
  u64 staying = bytes;
  for (const Object& object : objects) staying += 16 * object.scan_areas.size() + (for_area ? 0 : object.comm.size());
  if (staying > most_bytes_) return;
  for (Object& object : objects) {
    if (has_room(bytes) || object.stack.empty()) continue;
    if (lost.stacks++ == 0) ++warnings;
    object.stack.clear();
  }
  for (Object& object : objects) {
    if (!for_area || has_room(bytes) || object.comm.empty()) continue;
    if (lost.comms++ == 0) ++warnings;
    object.comm.clear();
  }
}

void SlowDetector::set_comm(u64 generation, std::string_view comm) {
  comm = comm.substr(0, 15);
  by_generation(generation).comm.clear();
  if (comm.empty()) return;
  make_room(comm.size(), false);
  if (has_room(comm.size())) {
    by_generation(generation).comm = comm;
  } else if (lost.comms++ == 0) {
    ++warnings;
  }
}

void SlowDetector::set_stack(u64 generation, std::span<const Addr> stack) {
  Object& object = by_generation(generation);
  object.stack.clear();
  if (stack.size() > 16) stack = stack.first(16);
  if (stack.empty()) return;
  if (has_room(8 * stack.size())) {
    object.stack.assign(stack.begin(), stack.end());
  } else if (lost.stacks++ == 0) {
    ++warnings;
  }
}

void SlowDetector::add_area(u64 generation, Range area) {
  if (by_generation(generation).full_scan) return;
  make_room(16, true);
  Object& object = by_generation(generation);
  if (has_room(16)) {
    object.scan_areas.push_back(area);
    return;
  }
  if (lost.scan_areas == 0) ++warnings;
  lost.scan_areas += 1 + object.scan_areas.size();
  object.scan_areas.clear();
  object.full_scan = true;
}

// ---- Operations.

void SlowDetector::alloc(Range block, i32 min_count, const Origin& origin) {
  if (is_pointer(block.start)) insert({.start = block.start, .size_bytes = block.size_bytes, .min_count = min_count}, origin);
}

void SlowDetector::alloc_percpu(Range block, const Origin& origin) {
  if (is_pointer(block.start)) insert({.space = Space::PerCpu, .start = block.start, .size_bytes = block.size_bytes}, origin);
}

void SlowDetector::alloc_phys(Range block, const Origin& origin) {
  insert({.space = Space::Physical, .start = block.start, .size_bytes = block.size_bytes, .min_count = 0}, origin);
}

void SlowDetector::vmalloc(Addr area, Range block, const Origin& origin) {
  if (!is_pointer(block.start)) return;
  insert({.start = block.start, .size_bytes = block.size_bytes, .min_count = 2}, origin);
  if (!is_pointer(area)) return;
  Object* object = find_start(Space::Virtual, area);
  if (object == nullptr) ++warnings;
  if (object != nullptr) object->excess_ref = block.start;
}

void SlowDetector::free(Addr start) {
  if (!is_pointer(start)) return;
  if (Object* object = find_start(Space::Virtual, start)) erase(object->generation);
}

void SlowDetector::free_percpu(Addr start) {
  if (!is_pointer(start)) return;
  if (Object* object = find_start(Space::PerCpu, start)) erase(object->generation);
}

void SlowDetector::free_part(Range part, const Origin& origin) {
  if (!is_pointer(part.start)) return;
  if (Object* object = find(Space::Virtual, part.start)) cut(*object, part, origin);
}

void SlowDetector::free_part_phys(Range part, const Origin& origin) {
  if (Object* object = find(Space::Physical, part.start)) cut(*object, part, origin);
}

void SlowDetector::paint(Space space, Addr start, i32 min_count) {
  Object* object = find_start(space, start);
  if (object == nullptr) return;
  object->min_count = min_count;
  object->is_cleared = false;
  if (min_count == -1) object->no_scan = true;
}

void SlowDetector::not_leak(Addr start) {
  if (is_pointer(start)) paint(Space::Virtual, start, 0);
}
void SlowDetector::ignore(Addr start) {
  if (is_pointer(start)) paint(Space::Virtual, start, -1);
}
void SlowDetector::ignore_percpu(Addr start) {
  if (is_pointer(start)) paint(Space::PerCpu, start, -1);
}
void SlowDetector::ignore_phys(Addr start) {
  paint(Space::Physical, start, -1);
}

void SlowDetector::transient_leak(Addr start) {
  if (!is_pointer(start)) return;
  Object* object = find_start(Space::Virtual, start);
  if (object == nullptr) ++warnings;
  if (object != nullptr) object->checksum = 0xffff'ffff;
}

void SlowDetector::no_scan(Addr start) {
  if (!is_pointer(start)) return;
  Object* object = find_start(Space::Virtual, start);
  if (object == nullptr) ++warnings;
  if (object != nullptr) object->no_scan = true;
}

void SlowDetector::scan_area(Range area) {
  if (!is_pointer(area.start) || area.size_bytes == 0) return;
  Object* object = find(Space::Virtual, area.start);
  if (object == nullptr) {
    ++warnings;
    return;
  }
  u64 room = object->start + object->size_bytes - area.start;
  if (area.size_bytes == ~u64{0}) area.size_bytes = room;
  if (area.size_bytes > room) {
    ++warnings;
    return;
  }
  add_area(object->generation, area);
}

void SlowDetector::update_trace(Addr at, std::span<const Addr> stack) {
  if (!is_pointer(at)) return;
  if (Object* object = find(Space::Virtual, at)) set_stack(object->generation, stack);
}

// ---- A scan.

void SlowDetector::begin(const ScanInput& input) {
  grey_.clear();
  for (Object& object : objects) {
    bool is_inside = object.start >= input.linear.start && object.start + object.size_bytes <= input.linear.end();
    if (object.space == Space::Physical && !is_inside) {
      object.min_count = -1;
      object.no_scan = true;
    }
    object.count = 0;
    if (object.min_count == 0) grey_.push_back(object.generation);
  }
}

u64 SlowDetector::scan(const ScanInput& input) {
  begin(input);
  if (input.is_interrupted && input.is_interrupted()) return 0;
  for (Range root : input.roots) scan_words(input, root, 0);
  drain(input);
  for (Object& object : objects) {
    if (!is_white(object)) continue;
    u32 sum = 0;
    if (object.space == Space::PerCpu) {
      for (u64 offset : input.copy_offsets) sum = slow_crc(input.memory, sum, {object.start + offset, object.size_bytes});
    } else if (object.space == Space::Physical) {
      sum = slow_crc(input.memory, 0, {input.linear_start + (object.start - input.linear.start), object.size_bytes});
    } else {
      sum = slow_crc(input.memory, 0, object.range());
    }
    if (sum == object.checksum) continue;
    object.checksum = sum;
    object.count = object.min_count;
    grey_.push_back(object.generation);
  }
  drain(input);
  u64 reported = 0;
  for (Object& object : objects) {
    if (!is_white(object) || object.created + min_age_ns_ > input.now_ns) {
      object.unreferenced_scans = 0;
      continue;
    }
    ++object.unreferenced_scans;
    if (!object.first_seen) object.first_seen = input.now_ns;
    if (!object.is_reported) ++reported;
    object.is_reported = true;
  }
  return reported;
}

void SlowDetector::drain(const ScanInput& input) {
  while (!grey_.empty()) {
    u64 generation = grey_.front();
    grey_.erase(grey_.begin());
    scan_object(input, by_generation(generation));
  }
}

void SlowDetector::scan_object(const ScanInput& input, const Object& object) {
  if (object.no_scan) return;
  std::vector<Range> ranges;
  if (object.space == Space::PerCpu) {
    for (u64 offset : input.copy_offsets) ranges.push_back({object.start + offset, object.size_bytes});
  } else if (object.space == Space::Physical) {
    ranges.push_back({input.linear_start + (object.start - input.linear.start), object.size_bytes});
  } else if (object.scan_areas.empty() || object.full_scan) {
    ranges.push_back(object.range());
  } else {
    ranges = object.scan_areas;
  }
  u64 owner = object.generation;
  for (Range range : ranges) scan_words(input, range, owner);
}

void SlowDetector::scan_words(const ScanInput& input, Range range, u64 owner) {
  for (Addr at{align_up(range.start.value, 8)}; at + 8 <= range.end(); at += 8) {
    auto word = read_value<u64>(input.memory, at);
    VERIFY(bool(word));
    meet(*word, owner);
  }
}

void SlowDetector::meet(u64 word, u64 owner) {
  auto count = [&](Object& object) {
    if (!is_white(object)) return;
    ++object.count;
    if (object.count == object.min_count) grey_.push_back(object.generation);
  };
  for (Space space : {Space::Virtual, Space::PerCpu}) {
    Object* object = find(space, Addr{word});
    if (object == nullptr || object->generation == owner) continue;
    bool was_grey = object->min_count != -1 && object->count >= object->min_count;
    if (!was_grey) count(*object);
    if (!was_grey || object->excess_ref.value == 0) continue;
    for (Object& other : objects) {
      if (other.space != Space::Virtual || other.size_bytes == 0 || other.start != object->excess_ref) continue;
      if (other.generation != owner) count(other);
    }
  }
}

// ---- A scan by a marker.

void SlowDetector::begin_scan(i64 now_ns) {
  marker_start_ = now_ns;
  seen_.clear();
}

void SlowDetector::see_unreferenced(const Sighting& sighting) {
  Object* known = find(sighting.space, sighting.start);
  bool is_same = known != nullptr && known->start == sighting.start && known->size_bytes == sighting.size_bytes;
  if (is_same) is_same = known->born && sighting.born ? known->born == sighting.born : known->checksum == sighting.checksum;
  if (!is_same) {
    std::erase_if(objects,
                  [&](const Object& object) { return overlaps(object, sighting.space, {sighting.start, sighting.size_bytes}); });
    add({.space = sighting.space, .start = sighting.start, .size_bytes = sighting.size_bytes, .created = marker_start_}, {});
    known = &objects.back();
  }
  known->checksum = sighting.checksum;
  if (sighting.born) known->born = sighting.born;
  if (!known->first_seen) known->first_seen = marker_start_;
  if (known->min_count >= 1) known->count = 0;
  seen_.push_back(known->generation);
}

void SlowDetector::see_gone(Space space, Addr start) {
  std::erase_if(objects, [&](const Object& object) { return has(object, space, start) && object.start == start; });
}

u64 SlowDetector::end_scan() {
  u64 reported = 0;
  for (Object& object : objects) {
    bool was_seen = std::ranges::find(seen_, object.generation) != seen_.end();
    if (!was_seen && object.min_count >= 1) object.count = object.min_count;
    if (!was_seen || !is_white(object)) {
      object.unreferenced_scans = 0;
      continue;
    }
    ++object.unreferenced_scans;
    if (!object.is_reported) ++reported;
    object.is_reported = true;
  }
  return reported;
}

// ---- What the user decides.

u64 SlowDetector::clear() {
  u64 cleared = 0;
  for (Object& object : objects) {
    if (!object.is_reported || !is_white(object)) continue;
    object.cleared_min_count = object.min_count;
    object.min_count = 0;
    object.is_cleared = true;
    ++cleared;
  }
  return cleared;
}

u64 SlowDetector::forget() {
  u64 forgotten = 0;
  for (Object& object : objects) {
    if (!object.is_cleared) continue;
    object.is_cleared = false;
    object.is_reported = false;
    object.min_count = object.cleared_min_count;
    object.count = 0;
    ++forgotten;
  }
  return forgotten;
}

bool SlowDetector::restore(Object object) {
  for (const Object& old : objects) {
    if (overlaps(old, object.space, object.range())) return false;
  }
  if (object.size_bytes == 0) return false;
  if (object.is_cleared && object.min_count > 0) {
    object.cleared_min_count = object.min_count;
    object.min_count = 0;
  }
  Object plain = object;
  plain.comm.clear();
  plain.stack.clear();
  plain.scan_areas.clear();
  add(plain, {.comm = object.comm, .stack = object.stack});
  u64 generation = objects.back().generation;
  for (Range area : object.scan_areas) add_area(generation, area);
  return true;
}

}  // namespace orphan
