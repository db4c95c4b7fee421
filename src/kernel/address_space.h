// SPDX-License-Identifier: Apache-2.0
// Where a kernel keeps what in its address space, and reading all of it.
//
// Physical memory stands in one linear map. What is mapped page by page (vmalloc, modules) is read through the kernel's page
// tables and then from the linear map: kcore's own vmalloc segment takes the allocator's locks for every page and hands out
// zeros for some areas.
#pragma once
#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

#include "memory/memory.h"

namespace orphan::kernel {

inline constexpr u64 kPageBytes = 4096;

// Page tables as a CPU's manual has them. To add a CPU: one more of these, chosen where AddressSpace is filled.
struct PageTableFormat {
  u32 levels = 4;
  u64 address_mask = 0x000f'ffff'ffff'f000;  // of an entry; bits of memory encryption removed
};

struct AddressSpace {
  Addr linear_map;         // of physical address 0
  std::vector<Range> ram;  // in the linear map, ascending, disjoint
  Range vmalloc, modules;  // mapped page by page
  Addr page_descriptors;   // of page frame 0: the kernel's `vmemmap`
  Addr top_table;          // the kernel's top-level page table
  PageTableFormat format;

  Addr linear(u64 physical) const { return linear_map + physical; }
  // From the first to the last byte of RAM in the linear map.
  Range linear_span() const { return ram.empty() ? Range{} : Range{ram.front().start, ram.back().end() - ram.front().start}; }
};

// What one entry of a page table maps.
struct Mapping {
  u64 physical = 0;
  u64 size_bytes = 0;  // from the address asked for to the end of the page, whatever its size
};

// The memory of a kernel. Keeps the page tables that it has read until forget_tables(). Not for use by several threads.
class KernelMemory : public Memory {
 public:
  KernelMemory(const Memory& raw, AddressSpace space) : raw_(raw), space_(std::move(space)) {}

  const AddressSpace& space() const { return space_; }
  Result<void> read(Addr at, std::span<std::byte> out) const override;
  Result<Bytes> view(Addr at, std::span<std::byte> scratch) const override;
  // Pieces of the linear map: what is mapped by page is read in others.
  Foresight foresight() const override { return raw_.foresight(); }
  void expect(std::span<const Range> pieces) const override;

  // The physical memory behind `at`, by the page tables; nothing when the page is not present.
  std::optional<Mapping> translate(Addr at) const;
  // The size of the hole in the page tables that `at` lies in: what may be skipped when translate() finds nothing.
  u64 hole_bytes(Addr at) const;
  void forget_tables() const { tables_.clear(); }

 private:
  using Table = std::array<u64, 512>;
  const Table* table(u64 physical) const;
  bool is_mapped_by_page(Addr at) const { return space_.vmalloc.contains(at) || space_.modules.contains(at); }
  // The entry for `at` on the lowest level that the walk reaches, and that level's page size.
  struct Entry {
    u64 value = 0;
    u64 page_bytes = 0;
  };
  Entry walk(Addr at) const;

  const Memory& raw_;
  AddressSpace space_;
  mutable std::unordered_map<u64, Table> tables_;  // by physical address
  mutable std::vector<Range> expected_;
};

}  // namespace orphan::kernel
