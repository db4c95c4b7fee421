// SPDX-License-Identifier: Apache-2.0
// An ELF file that has debug information: a program such as vmlinux, a module, or a separate .debug file of one of them.
//
// A module is a relocatable file: all its sections begin at address 0, and its debug information is not complete before
// relocations have been applied to it. `open` gives each section an address of its own and applies them, in memory.
#pragma once
#include <elfutils/libdw.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace orphan::debuginfo {

// A function, or a label of code in assembly.
struct CodeSymbol {
  std::string_view name;  // in the file
  u64 address = 0;        // in the file; where it is in memory is another matter
  u64 size_bytes = 0;     // 0: not known
};

class ElfFile {
 public:
  // Only regular files are opened; compressed ones as far as libdw was built for it. With `build_id`, in hexadecimal, the file
  // has to have the same, and to have debug information. NotFound: there is no such file. The error names the path.
  static Result<ElfFile> open(const std::string& path, std::string_view build_id);
  // Any: for who takes the user's word for it. dwarf() is null where the file has no debug information.
  static Result<ElfFile> open_any(const std::string& path);

  // Those of sections that are executed, in the order of the file. Empty: it has no symbol table.
  std::vector<CodeSymbol> code_symbols() const;
  Dwarf* dwarf() const { return dwarf_.get(); }
  // It is an object file, as modules are: the addresses of its symbols are none of memory.
  bool is_relocatable() const;

 private:
  struct EndElf {
    void operator()(Elf* elf) const { elf_end(elf); }
  };
  struct EndDwarf {
    void operator()(Dwarf* dwarf) const { dwarf_end(dwarf); }
  };
  using OwnedElf = std::unique_ptr<Elf, EndElf>;
  using OwnedDwarf = std::unique_ptr<Dwarf, EndDwarf>;
  ElfFile(Fd fd, OwnedElf elf) : fd_(std::move(fd)), elf_(std::move(elf)) {}

  static Result<ElfFile> begin(const std::string& path);
  Result<void> load_dwarf();
  Result<void> place_sections();
  Result<void> relocate();
  Result<void> relocate(Elf_Scn* relocations, Elf_Scn* section) const;
  u64 start_of_section(std::size_t index) const;

  Fd fd_;
  OwnedElf elf_;
  OwnedDwarf dwarf_;                 // after what it reads from
  std::vector<u64> section_starts_;  // of a relocatable file, by index
};

// Hexadecimal; empty: the file has none.
std::string build_id_of(Elf* elf);

}  // namespace orphan::debuginfo
