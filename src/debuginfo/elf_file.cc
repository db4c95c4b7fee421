// SPDX-License-Identifier: Apache-2.0
#include "debuginfo/elf_file.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <sys/stat.h>

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "base/addr.h"

namespace orphan::debuginfo {
namespace {

// The relocations that compilers use in debug information: the sum of symbol and addend, in 8 or 4 bytes.
struct Machine {
  u16 id;
  u32 word64;
  u32 word32;
};
constexpr auto kMachines = std::to_array<Machine>({
    {EM_X86_64, R_X86_64_64, R_X86_64_32},
    {EM_AARCH64, R_AARCH64_ABS64, R_AARCH64_ABS32},
});
constexpr u32 kNoRelocation = 0;  // of each machine

// Where the first section of a relocatable file gets its place: not at 0, which is what unused entries have.
constexpr u64 kFirstAddress = 0x10'0000;
constexpr u64 kMaxAlignment = 1 << 21;
constexpr u64 kMaxSectionBytes = u64{1} << 40;

Error bad(const char* what) {
  return {ErrorCode::BadData, what};
}

const char* name_of(Elf* elf, const GElf_Shdr& header) {
  std::size_t strings = 0;
  if (elf_getshdrstrndx(elf, &strings) != 0) return "";
  const char* name = elf_strptr(elf, strings, header.sh_name);
  return name ? name : "";
}

bool is_relocatable(Elf* elf) {
  GElf_Ehdr header;
  return gelf_getehdr(elf, &header) && header.e_type == ET_REL;
}

bool is_of_this_byte_order(Elf* elf) {
  const char* ident = elf_getident(elf, nullptr);
  return ident && ident[EI_DATA] == (std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB);
}

const Machine* machine_of(Elf* elf) {
  GElf_Ehdr header;
  if (!gelf_getehdr(elf, &header)) return nullptr;
  for (const Machine& machine : kMachines) {
    if (machine.id == header.e_machine) return &machine;
  }
  return nullptr;
}

}  // namespace

std::string build_id_of(Elf* elf) {
  const void* bytes = nullptr;
  ssize_t size = dwelf_elf_gnu_build_id(elf, &bytes);
  std::string text;
  for (ssize_t i = 0; i < size; ++i) fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<const u8*>(bytes)[i]);
  return text;
}

Result<ElfFile> ElfFile::begin(const std::string& path) {
  elf_version(EV_CURRENT);
  Fd fd = TRY(open_file(path, O_RDONLY | O_NONBLOCK));
  struct stat status;
  if (::fstat(fd.value(), &status) != 0 || !S_ISREG(status.st_mode)) return bad("it is no regular file").in(path);
  OwnedElf elf(dwelf_elf_begin(fd.value()));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF || !is_of_this_byte_order(elf.get())) {
    return bad("it is no ELF file of this byte order").in(path);
  }
  return ElfFile(std::move(fd), std::move(elf));
}

Result<ElfFile> ElfFile::open(const std::string& path, std::string_view build_id) {
  ElfFile file = TRY(begin(path));
  std::string found = build_id_of(file.elf_.get());
  if (found != build_id) return Error{ErrorCode::BadData, fmt::format("{}: its build-id is {}, not {}", path, found, build_id)};
  auto loaded = file.load_dwarf();
  if (!loaded) return std::move(loaded).error().in(path);
  if (!file.dwarf_) return bad("it has no debug information").in(path);
  return file;
}

Result<ElfFile> ElfFile::open_any(const std::string& path) {
  ElfFile file = TRY(begin(path));
  auto loaded = file.load_dwarf();
  if (!loaded) return std::move(loaded).error().in(path);
  return file;
}

bool ElfFile::is_relocatable() const {
  return debuginfo::is_relocatable(elf_.get());
}

// Leaves no dwarf_ where there is none.
Result<void> ElfFile::load_dwarf() {
  if (is_relocatable()) {
    // They keep the addends in the sections, which is another thing to read.
    if (gelf_getclass(elf_.get()) != ELFCLASS64)
      return Error{ErrorCode::Unsupported, "a module of 32 bits, whose relocations are not known"};
    TRY(place_sections());
    TRY(relocate());
  }
  dwarf_.reset(dwarf_begin_elf(elf_.get(), DWARF_C_READ, nullptr));
  Dwarf_CU* first = nullptr;
  if (dwarf_ && dwarf_get_units(dwarf_.get(), nullptr, &first, nullptr, nullptr, nullptr, nullptr) != 0) dwarf_.reset();
  return {};
}

u64 ElfFile::start_of_section(std::size_t index) const {
  return index < section_starts_.size() ? section_starts_[index] : 0;
}

Result<void> ElfFile::place_sections() {
  u64 next = kFirstAddress;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_.get(), section));) {
    GElf_Shdr header;
    if (!gelf_getshdr(section, &header)) return bad("its sections cannot be read");
    if ((header.sh_flags & SHF_ALLOC) == 0) continue;
    if (header.sh_size > kMaxSectionBytes) return bad("it has an impossibly large section");
    bool is_aligned = std::has_single_bit(header.sh_addralign) && header.sh_addralign <= kMaxAlignment;
    u64 start = align_up(next, is_aligned ? header.sh_addralign : 1);
    section_starts_.resize(elf_ndxscn(section) + 1);
    section_starts_.back() = start;
    next = start + header.sh_size;
  }
  return {};
}

Result<void> ElfFile::relocate() {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_.get(), section));) {
    GElf_Shdr header;
    if (!gelf_getshdr(section, &header)) return bad("its sections cannot be read");
    if (header.sh_type != SHT_RELA) continue;
    Elf_Scn* target = elf_getscn(elf_.get(), header.sh_info);
    GElf_Shdr target_header;
    if (!target || !gelf_getshdr(target, &target_header)) return bad("it has relocations of no section");
    if (!std::string_view(name_of(elf_.get(), target_header)).starts_with(".debug_")) continue;
    if ((target_header.sh_flags & SHF_COMPRESSED) != 0 && elf_compress(target, 0, 0) < 0) {
      return bad("its debug information cannot be decompressed");
    }
    TRY(relocate(section, target));
  }
  return {};
}

Result<void> ElfFile::relocate(Elf_Scn* relocations, Elf_Scn* section) const {
  const Machine* machine = machine_of(elf_.get());
  if (!machine) return Error{ErrorCode::Unsupported, "relocations of its CPU are not known"};
  GElf_Shdr header;
  Elf_Data* entries = elf_getdata(relocations, nullptr);
  // The same bytes that libdw reads; the file is mapped privately.
  Elf_Data* bytes = elf_rawdata(section, nullptr);
  Elf_Scn* symbol_section = gelf_getshdr(relocations, &header) ? elf_getscn(elf_.get(), header.sh_link) : nullptr;
  Elf_Data* symbols = symbol_section ? elf_getdata(symbol_section, nullptr) : nullptr;
  if (!entries || !bytes || !bytes->d_buf || !symbols || header.sh_entsize == 0) return bad("its relocations cannot be read");
  u64 count = std::min<u64>(header.sh_size / header.sh_entsize, INT_MAX);
  for (u64 i = 0; i < count; ++i) {
    GElf_Rela entry;
    GElf_Sym symbol;
    if (!gelf_getrela(entries, static_cast<int>(i), &entry)) return bad("its relocations cannot be read");
    u64 type = GELF_R_TYPE(entry.r_info);
    if (type == kNoRelocation) continue;
    std::size_t width = type == machine->word64 ? 8 : type == machine->word32 ? 4 : 0;
    // Another kind is in what is not looked at, such as call frames: what it would change stays as it is.
    if (width == 0) continue;
    if (GELF_R_SYM(entry.r_info) > INT_MAX || !gelf_getsym(symbols, static_cast<int>(GELF_R_SYM(entry.r_info)), &symbol) ||
        entry.r_offset > bytes->d_size || bytes->d_size - entry.r_offset < width) {
      return bad("it has a relocation that leads nowhere");
    }
    // An undefined symbol keeps the value that the file has: 0.
    u64 value = symbol.st_value + start_of_section(symbol.st_shndx) + static_cast<u64>(entry.r_addend);
    std::byte* to = static_cast<std::byte*>(bytes->d_buf) + entry.r_offset;
    if (width == 8) {
      std::memcpy(to, &value, sizeof value);
    } else {
      u32 half = static_cast<u32>(value);
      std::memcpy(to, &half, sizeof half);
    }
  }
  return {};
}

std::vector<CodeSymbol> ElfFile::code_symbols() const {
  std::vector<CodeSymbol> found;
  std::vector<bool> is_code = {};
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_.get(), section));) {
    GElf_Shdr header;
    is_code.resize(elf_ndxscn(section) + 1);
    is_code.back() = gelf_getshdr(section, &header) && (header.sh_flags & SHF_EXECINSTR) != 0;
  }
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_.get(), section));) {
    GElf_Shdr header;
    if (!gelf_getshdr(section, &header) || header.sh_type != SHT_SYMTAB || header.sh_entsize == 0) continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    if (!data) continue;
    u64 count = std::min<u64>(header.sh_size / header.sh_entsize, INT_MAX);
    for (u64 i = 0; i < count; ++i) {
      GElf_Sym symbol;
      if (!gelf_getsym(data, static_cast<int>(i), &symbol)) break;
      int type = GELF_ST_TYPE(symbol.st_info);
      if ((type != STT_FUNC && type != STT_NOTYPE) || symbol.st_shndx >= is_code.size() || !is_code[symbol.st_shndx]) continue;
      const char* name = elf_strptr(elf_.get(), header.sh_link, symbol.st_name);
      // "$d" and others mark what the bytes of ARM are.
      if (!name || *name == '\0' || *name == '$') continue;
      found.push_back({name, symbol.st_value + start_of_section(symbol.st_shndx), symbol.st_size});
    }
  }
  return found;
}

}  // namespace orphan::debuginfo
