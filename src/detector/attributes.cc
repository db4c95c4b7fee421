// SPDX-License-Identifier: Apache-2.0
#include "detector/attributes.h"

#include <fmt/format.h>

#include <algorithm>

namespace orphan {
namespace {

u64 bytes_of(std::span<const Addr> stack) {
  return stack.size_bytes();
}

}  // namespace

std::string to_string(const Degradation& degradation) {
  std::string text;
  auto add = [&](u64 count, std::string_view what, std::string_view happened) {
    if (count == 0) return;
    text += fmt::format("{}{} {}{} {}", text.empty() ? "" : ", ", count, what, count == 1 ? "" : "s", happened);
  };
  add(degradation.stacks, "stack", "dropped");
  add(degradation.comms, "task name", "dropped");
  add(degradation.scan_areas, "scan area", "dropped");
  add(degradation.overlaps, "free", "missed");
  return text;
}

void Attributes::set_stack(Object& object, std::span<const Addr> stack) {
  drop_stack(object);
  stack = stack.first(std::min(stack.size(), kMostFrames));
  if (stack.empty()) return;
  if (!has_room_for(bytes_of(stack))) return count_lost(degradation_.stacks, 1, "stacks are dropped");
  object.stack.assign(stack.begin(), stack.end());
  stack_bytes_ += bytes_of(stack);
  first_stack_ = std::min(first_stack_, object.generation);
}

void Attributes::set_comm(Object& object, std::string_view comm) {
  drop_comm(object);
  comm = comm.substr(0, kMostCommBytes);
  if (comm.empty()) return;
  drop_stacks_for(comm.size(), comm_bytes_ + area_bytes_);
  if (!has_room_for(comm.size())) return count_lost(degradation_.comms, 1, "task names are dropped");
  object.comm = comm;
  comm_bytes_ += comm.size();
  first_comm_ = std::min(first_comm_, object.generation);
}

void Attributes::add_scan_area(Object& object, Range area) {
  if (object.full_scan) return;
  drop_stacks_for(sizeof area, area_bytes_);
  drop_comms_for(sizeof area, area_bytes_);
  if (has_room_for(sizeof area)) {
    object.scan_areas.push_back(area);
    area_bytes_ += sizeof area;
    return;
  }
  if (degradation_.scan_areas == 0 && warn_) warn_("Cannot allocate a scan area, scanning the full object");
  degradation_.scan_areas += object.scan_areas.size() + 1;
  object.full_scan = true;
  drop_areas(object);
}

void Attributes::release(const Object& object) {
  stack_bytes_ -= bytes_of(object.stack);
  comm_bytes_ -= object.comm.size();
  area_bytes_ -= object.scan_areas.size() * sizeof(Range);
}

void Attributes::drop_stack(Object& object) {
  stack_bytes_ -= bytes_of(object.stack);
  object.stack = {};
}

void Attributes::drop_comm(Object& object) {
  comm_bytes_ -= object.comm.size();
  object.comm = {};
}

void Attributes::drop_areas(Object& object) {
  area_bytes_ -= object.scan_areas.size() * sizeof(Range);
  object.scan_areas = {};
}

// Where `staying` leaves no room in any case, nothing is dropped in vain.
void Attributes::drop_stacks_for(u64 bytes, u64 staying) {
  if (has_room_for(bytes) || bytes > most_bytes_ || staying > most_bytes_ - bytes) return;
  u64 lost = 0;
  objects_.for_each_from(first_stack_, [&](Object& object) {
    first_stack_ = object.generation;
    if (has_room_for(bytes)) return false;
    if (!object.stack.empty()) ++lost;
    drop_stack(object);
    return true;
  });
  count_lost(degradation_.stacks, lost, "stacks are dropped");
}

void Attributes::drop_comms_for(u64 bytes, u64 staying) {
  if (has_room_for(bytes) || bytes > most_bytes_ || staying > most_bytes_ - bytes) return;
  u64 lost = 0;
  objects_.for_each_from(first_comm_, [&](Object& object) {
    first_comm_ = object.generation;
    if (has_room_for(bytes)) return false;
    if (!object.comm.empty()) ++lost;
    drop_comm(object);
    return true;
  });
  count_lost(degradation_.comms, lost, "task names are dropped");
}

void Attributes::count_lost(u64& count, u64 lost, const char* what) const {
  if (lost == 0) return;
  if (count == 0 && warn_) warn_(fmt::format("No room in {} bytes for what is known of objects: {}", most_bytes_, what));
  count += lost;
}

}  // namespace orphan
