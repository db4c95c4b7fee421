// SPDX-License-Identifier: Apache-2.0
#include "memory/elf_core.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace orphan {

static_assert(sizeof(Elf64_Ehdr) == kElfHeaderSize);

Result<FileExtent> parse_elf_core_header(Bytes header) {
  auto elf = load<Elf64_Ehdr>(header, 0);
  if (!elf) return Error(ErrorCode::BadData, fmt::format("only {} bytes, shorter than an ELF header", header.size()));
  if (std::memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0)
    return Error(ErrorCode::Unsupported, "not an ELF file: is this really /proc/kcore, or a dump of a kernel's memory?");
  if (elf->e_ident[EI_CLASS] != ELFCLASS64 || elf->e_ident[EI_DATA] != ELFDATA2LSB)
    return Error(ErrorCode::Unsupported, "not a 64-bit little-endian ELF file: only such targets are supported");
  if (elf->e_type != ET_CORE)
    return Error(ErrorCode::Unsupported, fmt::format("an ELF file of type {}, not a core", elf->e_type));
  if (elf->e_phnum == PN_XNUM)
    return Error(ErrorCode::Unsupported, "an ELF core with more than 65534 program headers is not supported");
  if (elf->e_phnum == 0 || elf->e_phentsize != sizeof(Elf64_Phdr))
    return Error(ErrorCode::BadData,
                 fmt::format("an ELF core with {} program headers of {} bytes", elf->e_phnum, elf->e_phentsize));
  return FileExtent{elf->e_phoff, u64{elf->e_phnum} * sizeof(Elf64_Phdr)};
}

Result<CoreTable> parse_program_headers(Bytes headers) {
  CoreTable table;
  for (u64 at = 0; at < headers.size(); at += sizeof(Elf64_Phdr)) {
    auto header = load<Elf64_Phdr>(headers, at);
    if (!header) return Error(ErrorCode::BadData, fmt::format("program header {} is cut short", at / sizeof(Elf64_Phdr)));
    if (header->p_type == PT_NOTE) table.notes.push_back({header->p_offset, header->p_filesz});
    if (header->p_type != PT_LOAD || header->p_filesz == 0) continue;
    // Memory may end with the last byte of the address space, but not wrap around.
    if (header->p_filesz - 1 > ~header->p_vaddr)
      return Error(ErrorCode::BadData, fmt::format("program header {}: {:#x} bytes at {:#x} wrap around the address space",
                                                   at / sizeof(Elf64_Phdr), header->p_filesz, header->p_vaddr));
    table.segments.push_back({Addr{header->p_vaddr}, header->p_paddr, header->p_filesz, header->p_offset});
  }
  std::ranges::sort(table.segments, {}, [](const CoreSegment& segment) { return std::pair(segment.vaddr, segment.file_offset); });
  return table;
}

std::string find_vmcoreinfo_note(Bytes notes) {
  constexpr std::string_view kName("VMCOREINFO\0", 11);
  for (u64 at = 0;;) {
    auto note = load<Elf64_Nhdr>(notes, at);
    if (!note) return {};
    // Sums of 32-bit values: they cannot overflow 64 bits.
    u64 name_at = at + sizeof *note;
    u64 text_at = name_at + align_up(note->n_namesz, 4);
    if (text_at > notes.size() || note->n_descsz > notes.size() - text_at) return {};
    if (note->n_namesz == kName.size() && std::memcmp(notes.data() + name_at, kName.data(), kName.size()) == 0) {
      std::string text(note->n_descsz, '\0');
      std::ranges::transform(notes.subspan(text_at, note->n_descsz), text.begin(),
                             [](std::byte byte) { return static_cast<char>(byte); });
      return text;
    }
    at = text_at + align_up(note->n_descsz, 4);
  }
}

}  // namespace orphan
