// SPDX-License-Identifier: Apache-2.0
#include "detector/detector_pair.h"

#include <fmt/format.h>

#include <tuple>

#include "base/verify.h"

namespace orphan {
namespace {

constexpr i64 kSecond = 1'000'000'000;
constexpr Range kHeap{Addr{0xffff'8880'0000'0000}, 1024};
constexpr Range kCookies{Addr{0x6000}, 256};
constexpr u64 kCopies[] = {0x4000'0000, 0x5000'0000};
constexpr Range kLinear{Addr{0x1000}, 384};  // physical addresses
constexpr Addr kLinearStart{0xffff'8881'0000'0000};
constexpr Range kRoot{Addr{0xffff'ffff'8000'0000}, 96};
constexpr u64 kMostBytes = 256;  // of a block; behind each range there is as much memory
constexpr Addr kFrames[18] = {Addr{1}, Addr{2}, Addr{3}};

// No memory is there.
bool is_no_place(Addr at) {
  return at.value == 0 || at > kRoot.end();
}

bool is_same(const Object& a, const Object& b) {
  auto all = [](const Object& o) {
    return std::tie(o.space, o.start, o.size_bytes, o.min_count, o.count, o.excess_ref, o.checksum, o.created, o.first_seen,
                    o.pid, o.comm, o.stack, o.scan_areas, o.no_scan, o.full_scan, o.is_reported, o.is_cleared,
                    o.cleared_min_count, o.unreferenced_scans, o.generation, o.born);
  };
  return all(a) == all(b);
}

std::string text(const Object& object) {
  return fmt::format(
      "{} {:x}+{} min_count {} count {} checksum {:x} reported {} cleared {} scans {} generation {} comm '{}' frames {} areas {}",
      static_cast<int>(object.space), object.start.value, object.size_bytes, object.min_count, object.count, object.checksum,
      object.is_reported, object.is_cleared, object.unreferenced_scans, object.generation, object.comm, object.stack.size(),
      object.scan_areas.size());
}

}  // namespace

struct DetectorPair::Choice {
  u64 weight;
  Step step;
};
const DetectorPair::Choice DetectorPair::kChoices[] = {
    {12, &DetectorPair::alloc},    {6, &DetectorPair::alloc_other}, {3, &DetectorPair::vmalloc},
    {6, &DetectorPair::free},      {3, &DetectorPair::free_part},   {3, &DetectorPair::paint},
    {8, &DetectorPair::attribute}, {16, &DetectorPair::write_word}, {10, &DetectorPair::drop_word},
    {20, &DetectorPair::scan},     {8, &DetectorPair::mark},        {16, &DetectorPair::see},
    {3, &DetectorPair::decide},    {3, &DetectorPair::restore},
};

DetectorPair::DetectorPair(std::function<u64()> random, u64 attribute_bytes)
    : random_(std::move(random)),
      fast_({.attribute_bytes = attribute_bytes, .warn = [this](const std::string&) { ++warnings_; }}),
      slow_(5 * kSecond, attribute_bytes) {
  for (Range range : {kHeap, kCookies, Range{kCookies.start + kCopies[0], kCookies.size_bytes},
                      Range{kCookies.start + kCopies[1], kCookies.size_bytes}, Range{kLinearStart, kLinear.size_bytes}})
    memory_.map({range.start, range.size_bytes + kMostBytes});
  memory_.map(kRoot);
}

void DetectorPair::step() {
  now_ns_ += static_cast<i64>(below(4)) * kSecond / 2;
  u64 all = 0;
  for (const Choice& choice : kChoices) all += choice.weight;
  u64 number = below(all);
  for (const Choice& choice : kChoices) {
    if (number < choice.weight) return (this->*choice.step)();
    number -= choice.weight;
  }
}

// ---- What they are told.

// Mostly of a block that is known, or of a place where one could be.
Addr DetectorPair::some_address(Space space) {
  constexpr u64 kNone[] = {0, ~u64{0}, 0 - u64{4095}};
  Range region = kHeap;
  if (space == Space::PerCpu || (space == Space::Virtual && one_in(10))) region = kCookies;
  if (space == Space::Physical) region = {kLinear.start - 64, kLinear.size_bytes + 128};
  u64 choice = below(16);
  if (choice == 0 && space != Space::Physical) return Addr{kNone[below(3)]};
  if (choice >= 6 || slow_.objects.empty()) return region.start + below(region.size_bytes);
  const Object& object = slow_.objects[below(slow_.objects.size())];
  u64 offset = choice < 4 ? 0 : below(object.size_bytes + 2);
  return region.start + (object.start - region.start + offset) % region.size_bytes;
}

u64 DetectorPair::some_size() {
  return one_in(6) ? below(4) : 8 + below(one_in(8) ? kMostBytes - 8 : 56);
}

i32 DetectorPair::some_min_count() {
  constexpr i32 kMinCounts[] = {1, 1, 1, 1, 2, 3, 0, -1};
  return kMinCounts[below(std::size(kMinCounts))];
}

Origin DetectorPair::some_origin() {
  constexpr std::string_view kComms[] = {"", "sh", "insmod", "a name of more than fifteen bytes"};
  return {.now_ns = now_ns_,
          .pid = static_cast<i32>(below(100)),
          .comm = kComms[below(std::size(kComms))],
          .stack = std::span(kFrames).first(below(std::size(kFrames) + 1)),
          .born = some_stamp()};
}

void DetectorPair::alloc() {
  Range block{some_address(Space::Virtual), some_size()};
  i32 min_count = some_min_count();
  Origin origin = some_origin();
  bool no_leak_trace = one_in(10);
  tell([&](Operations& detector) { detector.alloc_recursive(block, min_count, no_leak_trace, origin); });
}

void DetectorPair::alloc_other() {
  bool is_physical = one_in(2);
  Range block{some_address(is_physical ? Space::Physical : Space::PerCpu), some_size()};
  Origin origin = some_origin();
  tell([&](Operations& detector) { is_physical ? detector.alloc_phys(block, origin) : detector.alloc_percpu(block, origin); });
}

void DetectorPair::vmalloc() {
  Addr area = some_address(Space::Virtual);
  if (const Object* known = fast_.find(Space::Virtual, area); known != nullptr && !one_in(4)) area = known->start;
  Range block{some_address(Space::Virtual), some_size()};
  Origin origin = some_origin();
  tell([&](Operations& detector) { detector.vmalloc(area, block, origin); });
}

void DetectorPair::free() {
  bool is_percpu = one_in(3), no_leak_trace = one_in(10);
  Addr at = some_address(is_percpu ? Space::PerCpu : Space::Virtual);
  tell([&](Operations& detector) { is_percpu ? detector.free_percpu(at) : detector.free_recursive(at, no_leak_trace); });
}

void DetectorPair::free_part() {
  bool is_physical = one_in(3);
  Range part{some_address(is_physical ? Space::Physical : Space::Virtual), one_in(10) ? ~u64{0} : some_size()};
  Origin origin = some_origin();
  tell([&](Operations& detector) { is_physical ? detector.free_part_phys(part, origin) : detector.free_part(part, origin); });
}

void DetectorPair::paint() {
  u64 choice = below(6);
  Addr at = some_address(choice == 0 ? Space::PerCpu : choice == 1 ? Space::Physical : Space::Virtual);
  tell([&](Operations& detector) {
    if (choice == 0) return detector.ignore_percpu(at);
    if (choice == 1) return detector.ignore_phys(at);
    return choice == 2 ? detector.ignore(at) : detector.not_leak(at);
  });
}

void DetectorPair::attribute() {
  u64 choice = below(6);
  Range area{some_address(Space::Virtual), one_in(4) ? Operations::kToTheEnd : below(48)};
  auto stack = std::span(kFrames).first(below(std::size(kFrames) + 1));
  tell([&](Operations& detector) {
    if (choice == 0) return detector.no_scan(area.start);
    if (choice == 1) return detector.transient_leak(area.start);
    return choice == 2 ? detector.update_trace(area.start, stack) : detector.scan_area(area);
  });
}

void DetectorPair::write_word() {
  Addr word = some_address(one_in(4) ? Space::PerCpu : Space::Virtual);
  Addr places[] = {kRoot.start + 8 * below(kRoot.size_bytes / 8), kHeap.start + 8 * below(kHeap.size_bytes / 8),
                   kCookies.start + kCopies[below(2)] + 8 * below(kCookies.size_bytes / 8),
                   kLinearStart + 8 * below(kLinear.size_bytes / 8)};
  Addr place = places[below(std::size(places))];
  memory_.put(place, one_in(4) ? place.value : word.value);  // a block may refer to itself
}

void DetectorPair::drop_word() {
  memory_.put(kRoot.start + 8 * below(kRoot.size_bytes / 8), u64{0});
}

void DetectorPair::scan() {
  if (fast_.is_scanning()) return;
  if (one_in(8)) {
    i64 age = static_cast<i64>(below(8)) * kSecond / 2;
    fast_.set_min_age(age);
    slow_.set_min_age(age);
  }
  Range roots[] = {{kRoot.start + below(8), 32}, {kRoot.start + 40, below(56)}};
  ScanInput input{.memory = memory_,
                  .now_ns = now_ns_,
                  .roots = roots,
                  .copy_offsets = kCopies,
                  .linear = kLinear,
                  .linear_start = kLinearStart};
  if (one_in(16)) input.is_interrupted = [] { return true; };
  auto outcome = fast_.scan(input);
  u64 expected = slow_.scan(input);
  if (!outcome || outcome->reported != expected || outcome->unread_bytes + outcome->unread_objects != 0)
    difference_ = fmt::format("the scan reports {}", expected);
  happened_.reported_by_scan += expected;
}

void DetectorPair::mark() {
  if (!fast_.is_scanning()) {
    fast_.begin_scan(now_ns_);
    return slow_.begin_scan(now_ns_);
  }
  if (one_in(6)) return fast_.abort_scan();
  u64 reported = fast_.end_scan(), expected = slow_.end_scan();
  if (reported != expected) difference_ = fmt::format("the marker's scan reports {}, and not {}", expected, reported);
  happened_.reported_by_marker += expected;
}

void DetectorPair::see() {
  if (!fast_.is_scanning()) return;
  Sighting sighting{some_space(), Addr{}, 1 + below(100), static_cast<u32>(below(3)), some_stamp()};
  sighting.start = some_address(sighting.space);
  if (is_no_place(sighting.start)) return;
  if (const Object* known = fast_.find(sighting.space, sighting.start)) {
    if (one_in(8)) {
      fast_.see_gone(known->space, sighting.start);
      return slow_.see_gone(sighting.space, sighting.start);
    }
    if (!one_in(4)) sighting.start = known->start;
    if (!one_in(4)) sighting.size_bytes = known->size_bytes;
    if (!one_in(4)) sighting.checksum = known->checksum;
    if (!one_in(4)) sighting.born = known->born;
  }
  fast_.see_unreferenced(sighting);
  slow_.see_unreferenced(sighting);
}

void DetectorPair::decide() {
  bool clears = !one_in(3);
  u64 count = clears ? fast_.clear() : fast_.forget();
  u64 expected = clears ? slow_.clear() : slow_.forget();
  if (count != expected) difference_ = fmt::format("{} of {} objects", clears ? "clear" : "forget", expected);
  (clears ? happened_.cleared : happened_.forgotten) += expected;
}

void DetectorPair::restore() {
  Object object{
      .space = some_space(), .size_bytes = some_size(), .min_count = some_min_count(), .checksum = static_cast<u32>(below(3))};
  object.start = some_address(object.space);
  if (is_no_place(object.start)) return;
  object.is_reported = !one_in(4);
  object.is_cleared = object.is_reported && object.min_count >= 0 && one_in(3);
  object.comm = one_in(2) ? "restored" : "";
  if (one_in(2)) object.stack.assign(kFrames, kFrames + 3);
  if (object.space == Space::Virtual && one_in(3)) object.scan_areas = {object.range(), object.range()};
  bool is_restored = fast_.restore(object);
  if (is_restored != slow_.restore(object)) difference_ = "restore";
  if (is_restored) ++happened_.restored;
}

// ---- Whether they agree.

std::string DetectorPair::difference() const {
  if (!difference_.empty()) return difference_;
  std::vector<const Object*> objects;
  DetectorCounts counts{.objects = slow_.objects.size()};
  fast_.for_each([&](const Object& object) { objects.push_back(&object); });
  if (objects.size() != slow_.objects.size()) return fmt::format("{} objects, and not {}", objects.size(), slow_.objects.size());
  std::vector<const Object*> listed;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const Object& object = slow_.objects[i];
    if (!is_same(*objects[i], object)) return text(*objects[i]) + "\nand not " + text(object);
    if (object.is_reported) ++counts.reported;
    if (object.is_cleared) ++counts.cleared;
    if (object.is_reported && object.min_count > object.count) listed.push_back(objects[i]);
  }
  counts.listed = listed.size();
  if (fast_.counts() != counts) return "the counts";
  fast_.for_each_listed([&](const Object& object) { std::erase(listed, &object); });
  if (!listed.empty()) return "what is listed";
  if (warnings_ != slow_.warnings) return fmt::format("{} warnings, and not {}", warnings_, slow_.warnings);
  if (fast_.degradation() != slow_.lost) return "what was lost";
  if (fast_.attribute_bytes() != slow_.attribute_bytes()) return "the bytes of attributes";
  return {};
}

DetectorPair::Happened DetectorPair::happened() const {
  Happened happened = happened_;
  happened.warnings = warnings_;
  happened.lost = slow_.lost;
  return happened;
}

}  // namespace orphan
