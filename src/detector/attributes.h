// SPDX-License-Identifier: Apache-2.0
// What is known of objects besides where they are, within a bound of bytes. Where there is no room, what helps people gives way
// to what makes verdicts right: stacks go first, those of the oldest objects before the others, then names of tasks, then scan
// areas, and an object that lost one of those is scanned as a whole. Objects themselves are never lost.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "detector/object_table.h"

namespace orphan {

// What had to be given up, in all.
struct Degradation {
  u64 stacks = 0;
  u64 comms = 0;
  u64 scan_areas = 0;
  u64 overlaps = 0;  // objects that gave way to a new one: they were freed, and nobody told

  bool operator==(const Degradation&) const = default;
};
// One line; empty when it was nothing.
std::string to_string(const Degradation& degradation);

using WarningSink = std::function<void(std::string)>;

class Attributes {
 public:
  // All must outlive this. Of what is given up for the first time `warn` hears.
  Attributes(ObjectTable& objects, Degradation& degradation, const WarningSink& warn, u64 most_bytes)
      : objects_(objects), degradation_(degradation), warn_(warn), most_bytes_(most_bytes) {}

  // In place of those that the object has.
  void set_stack(Object& object, std::span<const Addr> stack);
  void set_comm(Object& object, std::string_view comm);
  void add_scan_area(Object& object, Range area);
  // The object is about to be removed.
  void release(const Object& object);

  // What stacks, names and areas take.
  u64 bytes() const { return stack_bytes_ + comm_bytes_ + area_bytes_; }

 private:
  void drop_stack(Object& object);
  void drop_comm(Object& object);
  void drop_areas(Object& object);
  // As many, oldest first, as make room for `bytes`; `staying` are those that do not give way.
  void drop_stacks_for(u64 bytes, u64 staying);
  void drop_comms_for(u64 bytes, u64 staying);
  bool has_room_for(u64 bytes) const { return bytes <= most_bytes_ && this->bytes() <= most_bytes_ - bytes; }
  void count_lost(u64& count, u64 lost, const char* what) const;

  ObjectTable& objects_;
  Degradation& degradation_;
  const WarningSink& warn_;
  u64 most_bytes_;
  u64 stack_bytes_ = 0, comm_bytes_ = 0, area_bytes_ = 0;
  // No object of a lower generation has one.
  u64 first_stack_ = 0, first_comm_ = 0;
};

}  // namespace orphan
