// SPDX-License-Identifier: Apache-2.0
// The objects of a detector, in the order in which they were registered, and for each space a map from addresses to them. Objects
// of one space do not overlap. One without bytes is kept, and no address finds it.
#pragma once
#include <array>
#include <map>
#include <utility>

#include "detector/object.h"

namespace orphan {

class ObjectTable {
 public:
  // Gives the object the next generation. Its place must be free, and must not wrap around at the end of the address space. The
  // reference stays valid until it is removed.
  Object& add(Object object);
  void remove(const Object& object);

  // The object that has the byte at `at`, or null.
  Object* find(Space space, Addr at) { return const_cast<Object*>(std::as_const(*this).find(space, at)); }
  const Object* find(Space space, Addr at) const;
  // The first object that has a byte in `range`, which may not wrap around.
  Object* first_in(Space space, Range range);

  u64 size() const { return objects_.size(); }
  // Calls f(object) for each, in order of registration. f must not add or remove any.
  template <typename F>
  void for_each(F&& f) {
    for (auto& [generation, object] : objects_) f(object);
  }
  template <typename F>
  void for_each(F&& f) const {
    for (const auto& [generation, object] : objects_) f(object);
  }
  // Those of generation `from` on, until f returns false.
  template <typename F>
  void for_each_from(u64 from, F&& f) {
    for (auto at = objects_.lower_bound(from); at != objects_.end() && f(at->second); ++at) {
    }
  }

 private:
  using Intervals = std::map<Addr, Object*>;
  Intervals& intervals(Space space) { return intervals_[static_cast<std::size_t>(space)]; }
  const Intervals& intervals(Space space) const { return intervals_[static_cast<std::size_t>(space)]; }

  std::map<u64, Object> objects_;  // by generation
  std::array<Intervals, kSpaces> intervals_;
  u64 next_generation_ = 1;
};

}  // namespace orphan
