// SPDX-License-Identifier: Apache-2.0
#include "detector/object_table.h"

#include "base/verify.h"

namespace orphan {

Object& ObjectTable::add(Object object) {
  Range range = object.range();
  VERIFY(to_end_of_space(range) == range && first_in(object.space, range) == nullptr);
  object.generation = next_generation_++;
  Object& added = objects_.emplace_hint(objects_.end(), object.generation, std::move(object))->second;
  if (added.size_bytes != 0) intervals(added.space).emplace(added.start, &added);
  return added;
}

void ObjectTable::remove(const Object& object) {
  u64 generation = object.generation;
  if (object.size_bytes != 0) intervals(object.space).erase(object.start);
  VERIFY(objects_.erase(generation) == 1);
}

const Object* ObjectTable::find(Space space, Addr at) const {
  auto next = intervals(space).upper_bound(at);
  if (next == intervals(space).begin()) return nullptr;
  const Object* object = std::prev(next)->second;
  return object->range().contains(at) ? object : nullptr;
}

Object* ObjectTable::first_in(Space space, Range range) {
  if (range.size_bytes == 0) return nullptr;
  if (Object* object = find(space, range.start)) return object;
  auto next = intervals(space).upper_bound(range.start);
  return next != intervals(space).end() && range.contains(next->first) ? next->second : nullptr;
}

}  // namespace orphan
