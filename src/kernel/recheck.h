// SPDX-License-Identifier: Apache-2.0
// Objects that come and go can look like one that stays: the same address in use at every pass, each time for something else
// with the same contents, each time torn from its owner by our reading. So the slabs of the candidates are looked at again,
// many times in short order; what is ever free was no leak. The same holds for per-CPU areas: each process has one for as long as
// it lives (since v7.0), and the next one gets the same. A slab whose descriptor is as it was has not changed, unless a CPU
// allocates from it, or free objects lie in sheaves: it is not read again.
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

  // One more look at all objects and areas.
  Result<void> look();
  // Whether a look found the object or area free, or its slab gone.
  bool was_freed(Addr object) const { return freed_.contains(object.value); }
  // Whether a look found it allocated, or could not judge it: for slots that were free.
  bool was_allocated(Addr slot) const { return allocated_.contains(slot.value); }

 private:
  // One slab, and which of objects_ lie in it.
  struct Watched {
    u64 frame;
    std::size_t first, end;
    std::optional<SlabPage> seen;  // as it was when its objects were judged last
    bool is_still = false;         // and as it is in this look
  };
  void find_slabs();
  bool is_still(const Watched& watched, const SlabPage& now) const;
  Result<void> read_caches_of(const PageMap& map);
  void judge(Watched& watched, const Snapshot& snapshot, const Span* span);
  Result<void> look_at_areas();
  void look_at_kfence();

  Kernel kernel_;
  Owners& owners_;
  std::vector<u64> cpu_offsets_;
  std::vector<Addr> objects_;   // ascending
  std::vector<Watched> slabs_;  // ascending
  std::vector<Addr> areas_;
  Kfence kfence_;  // as it was at first
  std::vector<Addr> kfence_objects_;
  std::optional<Slub> caches_;  // of the watched slabs
  std::unordered_set<u64> freed_, allocated_;
};

}  // namespace orphan::kernel
