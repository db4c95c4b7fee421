// SPDX-License-Identifier: Apache-2.0
// Down the tree of a compilation unit's entries: from the function that holds an address, through blocks, to what was inlined
// there. libdw's own walk (dwarf_getscopes) recurses as deep as a file says, and follows links to siblings wherever they lead;
// this one goes forwards only, to a depth that is bounded.
#include "debuginfo/debug_file.h"

#include <dwarf.h>

#include <algorithm>

#include "debuginfo/source_path.h"

namespace orphan::debuginfo {
namespace {

constexpr int kMaxDepth = 128;
// The kernel's symbols have no size of their own: theirs reaches to the next symbol, and functions are aligned.
constexpr u64 kMaxAlignmentGap = 64;

std::string text_of(const char* text) {
  return text ? text : "";
}

// What a function may stand in, in a language that has such things.
bool is_container(Dwarf_Die* entry) {
  switch (dwarf_tag(entry)) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_enumeration_type: return true;
    default: return false;
  }
}

bool is_code(Dwarf_Die* entry) {
  switch (dwarf_tag(entry)) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block: return true;
    default: return false;
  }
}

// Calls `visit` with each child until it returns true, and says whether it did.
template <typename Visit>
bool any_child(Dwarf_Die parent, Visit visit) {
  Dwarf_Die child;
  if (dwarf_child(&parent, &child) != 0) return false;
  for (;;) {
    if (visit(child)) return true;
    Dwarf_Off before = dwarf_dieoffset(&child);
    Dwarf_Die next;
    if (dwarf_siblingof(&child, &next) != 0 || dwarf_dieoffset(&next) <= before) return false;
    child = next;
  }
}

// Appends the functions below `parent` that hold the address, outermost first.
bool find_functions(Dwarf_Die parent, u64 address, int depth, std::vector<Dwarf_Die>& functions) {
  if (depth == kMaxDepth) return false;
  bool is_below_namespace = dwarf_tag(&parent) != DW_TAG_compile_unit;
  return any_child(parent, [&](Dwarf_Die child) {
    if (is_code(&child)) {
      if (dwarf_haspc(&child, address) <= 0) return false;
      if (dwarf_tag(&child) == DW_TAG_subprogram || dwarf_tag(&child) == DW_TAG_inlined_subroutine) functions.push_back(child);
      find_functions(child, address, depth + 1, functions);
      return true;
    }
    // The types of C, which stand in the unit itself, have no functions, and there are many of them.
    bool is_worth = functions.empty() && is_container(&child) && (is_below_namespace || dwarf_tag(&child) == DW_TAG_namespace);
    return is_worth && find_functions(child, address, depth + 1, functions);
  });
}

std::optional<Dwarf_Die> unit_at(Dwarf* dwarf, u64 address) {
  Dwarf_Die unit;
  if (dwarf_addrdie(dwarf, address, &unit)) return unit;
  // Not every compiler writes a table of addresses (.debug_aranges).
  Dwarf_CU* at = nullptr;
  while (dwarf_get_units(dwarf, at, &at, nullptr, nullptr, &unit, nullptr) == 0) {
    if (dwarf_haspc(&unit, address) > 0) return unit;
  }
  return std::nullopt;
}

// Where the function was inlined into the one around it.
void place_of_call(Dwarf_Die* unit, Dwarf_Die* inlined, Place& place) {
  Dwarf_Attribute attribute;
  Dwarf_Word file = 0;
  Dwarf_Word line = 0;
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) != 0) return;
  if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) != 0) return;
  if (dwarf_getsrcfiles(unit, &files, &count) != 0 || file >= count) return;
  place.file = text_of(dwarf_filesrc(files, file, nullptr, nullptr));
  place.line = static_cast<u32>(line);
}

void place_of_address(Dwarf_Die* unit, u64 address, Place& place) {
  Dwarf_Line* found = dwarf_getsrc_die(unit, address);
  int line = 0;
  if (!found || dwarf_lineno(found, &line) != 0 || line <= 0) return;
  place.file = text_of(dwarf_linesrc(found, nullptr, nullptr));
  place.line = static_cast<u32>(line);
}

}  // namespace

Result<DebugFile> DebugFile::with_symbols(ElfFile elf, const std::string& path) {
  DebugFile file(std::move(elf));
  for (const CodeSymbol& symbol : file.elf_.code_symbols()) file.symbols_.emplace(symbol.name, symbol);
  if (file.symbols_.empty()) return Error{ErrorCode::BadData, "it has no symbols"}.in(path);
  return file;
}

Result<DebugFile> DebugFile::open(const std::string& path, std::string_view build_id) {
  return with_symbols(TRY(ElfFile::open(path, build_id)), path);
}

Result<DebugFile> DebugFile::open_any(const std::string& path) {
  ElfFile elf = TRY(ElfFile::open_any(path));
  if (elf.dwarf() == nullptr) return Error{ErrorCode::BadData, "it has no debug information"}.in(path);
  return with_symbols(std::move(elf), path);
}

std::optional<u64> DebugFile::address_of(const Frame& frame) const {
  std::vector<CodeSymbol> found;
  auto [begin, end] = symbols_.equal_range(frame.symbol);
  for (auto it = begin; it != end; ++it) {
    // A file may name a place twice.
    if (std::ranges::find(found, it->second.address, &CodeSymbol::address) == found.end()) found.push_back(it->second);
  }
  if (found.size() > 1) {
    std::erase_if(found, [&](const CodeSymbol& symbol) {
      return symbol.size_bytes > frame.symbol_size || frame.symbol_size - symbol.size_bytes >= kMaxAlignmentGap;
    });
  }
  if (found.size() != 1) return std::nullopt;
  u64 offset = frame.offset == 0 ? 0 : frame.offset - 1;
  if (found[0].size_bytes != 0 && offset >= found[0].size_bytes) return std::nullopt;
  return found[0].address + offset;
}

std::vector<Place> DebugFile::places_of(const Frame& frame) const {
  std::optional<u64> address = address_of(frame);
  std::optional<Dwarf_Die> unit = address ? unit_at(elf_.dwarf(), *address) : std::nullopt;
  if (!unit) return {};
  Place at;
  place_of_address(&*unit, *address, at);
  std::vector<Dwarf_Die> functions;
  find_functions(*unit, *address, 0, functions);
  std::vector<Place> places;
  for (; !functions.empty() && dwarf_tag(&functions.back()) == DW_TAG_inlined_subroutine; functions.pop_back()) {
    at.function = text_of(dwarf_diename(&functions.back()));
    places.push_back(std::move(at));
    at = {};
    place_of_call(&*unit, &functions.back(), at);
  }
  at.function = frame.symbol;
  places.push_back(std::move(at));
  Dwarf_Attribute attribute;
  std::string directory = text_of(dwarf_formstring(dwarf_attr(&*unit, DW_AT_comp_dir, &attribute)));
  for (Place& place : places) {
    if (!place.file.empty()) place.file = short_source_path(place.file, directory);
  }
  if (std::ranges::all_of(places, &std::string::empty, &Place::file)) return {};
  return places;
}

}  // namespace orphan::debuginfo
