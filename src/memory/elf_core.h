// SPDX-License-Identifier: Apache-2.0
// The parts of an ELF core that say where memory stands in the file: the header, the program headers, the VMCOREINFO note.
// Pure functions over bytes that somebody else wrote, so that /proc/kcore, a dump and a test are read by the same code.
// 64-bit little-endian cores only.
#pragma once
#include <string>
#include <vector>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/result.h"

namespace orphan {

inline constexpr u64 kPhysicalUnknown = ~u64{0};
inline constexpr u64 kElfHeaderSize = 64;

// A run of the target's memory that is in the file. Segments of one file may overlap: they are then the same memory.
struct CoreSegment {
  Addr vaddr;
  u64 physical = kPhysicalUnknown;
  u64 size = 0;         // what the file has of it (p_filesz)
  u64 file_offset = 0;  // may be beyond what pread(2) takes: such a segment cannot be read, but it is told

  bool contains(Addr at) const { return Range{vaddr, size}.contains(at); }
  friend bool operator==(const CoreSegment&, const CoreSegment&) = default;
};

struct FileExtent {
  u64 offset = 0;
  u64 size = 0;
};

// Where the program headers stand. Unsupported: not a 64-bit little-endian ELF core. BadData: cut short or absurd.
Result<FileExtent> parse_elf_core_header(Bytes header);

struct CoreTable {
  std::vector<CoreSegment> segments;  // by address
  std::vector<FileExtent> notes;
};
// `headers` is the extent that parse_elf_core_header() gave. Segments without bytes in the file are left out.
Result<CoreTable> parse_program_headers(Bytes headers);

// The text of the VMCOREINFO note (in /proc/kcore since Linux 4.19, 23c85094fe18), or an empty one. A damaged note ends the
// search.
std::string find_vmcoreinfo_note(Bytes notes);

}  // namespace orphan
