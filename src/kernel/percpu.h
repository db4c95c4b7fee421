// SPDX-License-Identifier: Apache-2.0
// Per-CPU memory. A per-CPU area is known to the kernel by its *cookie* (a `__percpu` pointer); each CPU's copy stands at
// cookie + that CPU's offset. Areas are handed out of chunks, whose bit maps say which are in use and where each begins.
#pragma once
#include "kernel/address_space.h"
#include "kernel/layouts.h"
#include "kernel/symbols.h"

namespace orphan::kernel {

struct PerCpuArea {
  Addr cookie;
  u64 size_bytes = 0;
};

struct PerCpuChunk {
  Addr first_cookie;  // of its first byte
  u64 size_bytes = 0;
  Addr chunk;  // its struct pcpu_chunk
};

struct PerCpu {
  std::vector<u64> offsets;         // by possible CPU: what is added to a cookie; wraps around
  Range static_cookies;             // static per-CPU variables
  Range first_unit;                 // the cookies of everything in the unit that was set up at boot, the static ones too
  std::vector<PerCpuChunk> chunks;  // those outside of the first unit
  std::vector<PerCpuChunk> all_chunks;
  std::vector<PerCpuArea> areas;  // dynamic ones in use, of all chunks
  u64 unread_chunks = 0;          // that changed or did not add up; their areas are not known
};

// Where the symbols of the allocator stand; part of Globals.
struct PerCpuSymbols {
  Addr chunk_lists, slot_count, base_addr, unit_size, cpu_offsets, cpu_count, reserved_chunk;
  std::optional<Addr> possible_mask;
  Addr start, end;  // link-time addresses of the static area
};

Result<PerCpu> read_percpu(const KernelMemory& memory, const PerCpuLayout& layout, const PerCpuSymbols& symbols);

}  // namespace orphan::kernel
