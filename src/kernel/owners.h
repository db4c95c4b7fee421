// SPDX-License-Identifier: Apache-2.0
// Whose blocks: a number for each cache, and for each other allocator, that stays the same from look to look.
#pragma once
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "kernel/slub.h"
#include "report/report.h"

namespace orphan::kernel {

struct Owner {
  BlockKind kind = BlockKind::Slab;
  std::string name;  // of the cache; else of the allocator
  Addr caller;       // vmalloc: who allocated
  bool is_merged = false;
  Addr cache = {};  // its struct kmem_cache
};

class Owners : public OwnerOf {
 public:
  u32 owner_of(const Cache& cache) override {
    return number({BlockKind::Slab, cache.address.value, cache.name, cache.object_bytes},
                  {BlockKind::Slab, cache.name, Addr{}, cache.is_merged, cache.address});
  }
  u32 large_kmalloc() {
    return number({BlockKind::LargeKmalloc, 0, "", 0}, {BlockKind::LargeKmalloc, "large kmalloc", Addr{}, false});
  }
  u32 vmalloc(Addr caller) {
    return number({BlockKind::Vmalloc, caller.value, "", 0}, {BlockKind::Vmalloc, "vmalloc", caller, false});
  }
  u32 pages() { return number({BlockKind::Pages, 0, "", 0}, {BlockKind::Pages, "pages", Addr{}, false}); }
  u32 percpu() { return number({BlockKind::PerCpu, 0, "", 0}, {BlockKind::PerCpu, "per-cpu", Addr{}, false}); }

  std::size_t size() const { return owners_.size(); }
  const Owner& operator[](u32 number) const { return owners_[number]; }

 private:
  using Key = std::tuple<BlockKind, u64, std::string, u32>;
  u32 number(const Key& key, Owner owner) {
    auto [found, is_new] = numbers_.try_emplace(key, static_cast<u32>(owners_.size()));
    if (is_new) owners_.push_back(std::move(owner));
    return found->second;
  }

  std::map<Key, u32> numbers_;
  std::vector<Owner> owners_;
};

}  // namespace orphan::kernel
