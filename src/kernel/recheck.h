// SPDX-License-Identifier: Apache-2.0
// Objects that come and go can look like one that stays: the same address in use at every pass, each time for something else
// with the same contents, each time torn from its owner by our reading. So the slabs of the candidates are looked at again,
// many times in short order; what is ever free was no leak. The same holds for per-CPU areas: each process has one for as long as
// it lives (since v7.0), and the next one gets the same.
#pragma once
#include <unordered_set>
#include <vector>

#include "kernel/look.h"

namespace orphan::kernel {

class Recheck {
 public:
  // `objects` are slab objects. Of very many only the first are watched: they lie in as many slabs as can be read in a moment,
  // and what leaks so much does not come and go.
  Recheck(const Kernel& kernel, Owners& owners, std::vector<u64> cpu_offsets, std::vector<Addr> objects);
  // A per-CPU area to be watched, too, by its cookie.
  void watch_area(Addr cookie) { areas_.push_back(cookie); }

  // One more look at all objects.
  Result<void> look();
  // One more look at the areas; it costs a few reads only.
  Result<void> look_at_areas();
  // Whether a look found the object or area free, or its slab gone.
  bool was_freed(Addr object) const { return freed_.contains(object.value); }
  // Whether a look found it allocated, or could not judge it: for slots that were free.
  bool was_allocated(Addr slot) const { return allocated_.contains(slot.value); }

 private:
  // One slab, and which of objects_ lie in it.
  struct Watched {
    u64 frame;
    std::size_t first, end;
  };
  void find_slabs();
  std::optional<u64> head_of(u64 frame) const;
  std::optional<SlabPage> read_head(u64 frame) const;

  Kernel kernel_;
  Owners& owners_;
  std::vector<u64> cpu_offsets_;
  std::vector<Addr> objects_;   // ascending
  std::vector<Watched> slabs_;  // ascending
  std::vector<Addr> areas_;
  std::unordered_set<u64> freed_, allocated_;
};

}  // namespace orphan::kernel
