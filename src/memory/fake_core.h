// SPDX-License-Identifier: Apache-2.0
// An ELF core that a test writes. For tests only.
#pragma once
#include <elf.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/addr.h"

namespace orphan {

// An ELF core, put together in the order of the file: header, program headers, notes, memory.
class CoreFile {
 public:
  void add_note(std::string_view name, u32 type, std::string_view text) {
    Elf64_Nhdr note{static_cast<u32>(name.size() + 1), static_cast<u32>(text.size()), type};
    append(notes_, &note, sizeof note);
    notes_.append(name).push_back('\0');
    notes_.resize(align_up(notes_.size(), 4));
    notes_.append(text).resize(align_up(notes_.size(), 4));
  }
  void add_segment(Addr at, u64 physical, std::string contents) {
    Elf64_Phdr header{};
    header.p_type = PT_LOAD;
    header.p_vaddr = at.value;
    header.p_paddr = physical;
    header.p_filesz = header.p_memsz = contents.size();
    loads_.push_back({header, std::move(contents)});
  }
  std::string bytes() const {
    u64 notes_at = sizeof(Elf64_Ehdr) + (loads_.size() + 1) * sizeof(Elf64_Phdr);
    u64 memory_at = align_up(notes_at + notes_.size(), 4096);
    Elf64_Ehdr elf{};
    std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
    elf.e_ident[EI_CLASS] = ELFCLASS64;
    elf.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.e_type = ET_CORE;
    elf.e_phoff = sizeof elf;
    elf.e_phentsize = sizeof(Elf64_Phdr);
    elf.e_phnum = static_cast<u16>(loads_.size() + 1);
    std::string file;
    append(file, &elf, sizeof elf);
    Elf64_Phdr note{};
    note.p_type = PT_NOTE;
    note.p_offset = notes_at;
    note.p_filesz = notes_.size();
    append(file, &note, sizeof note);
    std::string memory;
    for (auto [header, contents] : loads_) {
      header.p_offset = memory_at + memory.size();
      append(file, &header, sizeof header);
      memory += contents;
    }
    file += notes_;
    file.resize(memory_at);
    return file + memory;
  }

 private:
  static void append(std::string& to, const void* from, std::size_t size) {
    to.resize(to.size() + size);
    std::memcpy(to.data() + to.size() - size, from, size);
  }
  struct Load {
    Elf64_Phdr header;
    std::string contents;
  };
  std::string notes_;
  std::vector<Load> loads_;
};

}  // namespace orphan
