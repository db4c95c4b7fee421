// SPDX-License-Identifier: Apache-2.0
// The kernel's symbol table: names to addresses and back, for the image and for modules.
//
// The image's table is the kernel's own (kallsyms), kept compressed as the kernel has it: a name is a length and that many
// token numbers, a token is a short string, and an address is a 32-bit offset. Walking the table costs some thirty
// instructions a symbol, asking for names sixty: two tokens tell most names from the wanted ones, and a name is decoded only
// when its first seven characters are wanted. A table out of /proc/kallsyms is brought into the same form with one token per
// character.
#pragma once
#include <array>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/result.h"
#include "kernel/vmcoreinfo.h"
#include "memory/memory.h"

namespace orphan::kernel {

struct Symbol {
  Addr address;  // a per-CPU variable on x86 before 6.15: its offset in the per-CPU area
  std::string name;
  char type = '?';  // as nm(1): t and w are text, d, b and r are data, upper case is global
};

struct SymbolAt {
  std::string name;
  u64 offset = 0;      // of the address, from the symbol's start; may be beyond its size
  u64 size = 0;        // 0: unknown
  std::string module;  // empty: the image
  char type = '?';
};

// An allocator whose resize() leaves plain values unwritten: they are about to be read into.
template <typename T>
struct Unwritten : std::allocator<T> {
  template <typename U>
  struct rebind {
    using other = Unwritten<U>;
  };
  template <typename U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <typename U, typename... Arguments>
  void construct(U* at, Arguments&&... arguments) {
    ::new (static_cast<void*>(at)) U(std::forward<Arguments>(arguments)...);
  }
};

class Symbols {
 public:
  // The tables out of the kernel's memory, located by VMCOREINFO (since 6.0, 5fd8fea935a1). NotFound: VMCOREINFO does not name
  // them; then from_proc() is the way. BadData: they do not add up.
  static Result<Symbols> from_memory(const Memory& memory, const Vmcoreinfo& info);

  // The image's part of /proc/kallsyms. Permission: the addresses are hidden. Costs the kernel thousands of instructions a
  // symbol to print.
  static Result<Symbols> from_proc(const std::string& path = "/proc/kallsyms");
  // In two steps: the text, and what it says; `name` is for the errors.
  static Result<std::string> read_proc(const std::string& path);
  static Result<Symbols> from_text(std::string_view text, const std::string& name);

  // What stands at an address between _stext and _end, or in a module's memory; nothing elsewhere, and nothing before a
  // module's first symbol. Of several symbols at one address the first in the table, as the kernel prints it.
  std::optional<SymbolAt> lookup(Addr at) const;

  // One pass over the image's table for all of `names`; answers stand in their order. Of several symbols with one name the
  // first that is not text is taken, else the first.
  std::vector<std::optional<Symbol>> find(std::span<const std::string_view> names) const;
  std::optional<Symbol> find(std::string_view name) const;
  // All symbols of the image with this name, by address.
  std::vector<Symbol> find_all(std::string_view name) const;

  // A module's symbols out of its struct mod_kallsyms: an array of Elf64_Sym and its strings. `memory` is where the module
  // lives; symbols outside of it, without a name or with damaged ones are left out.
  void add_module(std::string name, std::span<const Range> memory, Bytes symtab, Bytes strtab);
  void clear_modules();
  // What add_module() takes, of each module that there is.
  struct ModuleTable {
    std::string name;
    std::vector<Range> memory;
    std::vector<std::byte> symtab, strtab;
  };
  std::vector<ModuleTable> module_tables() const;
  std::optional<Symbol> find_in_module(std::string_view module, std::string_view name) const;
  // The module whose memory has this address; empty: none.
  std::string_view module_at(Addr at) const;

  // The image's symbols by number, in the order of their addresses.
  u32 size() const { return count_; }
  Symbol at(u32 index) const;
  Addr address_of(u32 index) const;  // costs a tenth of at()

 private:
  // KSYM_NAME_LEN, 512 with its NUL since 6.1 (b8a94bfb3395); the kernel's linker scripts refuse longer ones.
  static constexpr u64 kMaxName = 512;
  // How the number of a symbol leads to its address.
  enum class Encoding : u8 {
    Absolute,        // 64-bit addresses (no CONFIG_KALLSYMS_BASE_RELATIVE; and /proc/kallsyms)
    BaseRelative,    // base + an unsigned offset (since 4.6)
    AbsolutePercpu,  // a negative value is base - 1 - value, others are per-CPU offsets (x86 from 4.6 to 6.14)
    PlaceRelative,   // the value's own address + a signed offset (since 7.0, a081b5789255)
  };
  struct Token {
    u64 head = 0;  // its first eight characters, the first one lowest
    u16 start = 0;
    u16 size = 0;
  };
  struct Name {
    std::array<char, kMaxName + sizeof(u64)> text;  // type, then name; room for one whole Token::head beyond
    std::size_t size = 0;

    char type() const { return size == 0 ? '?' : text[0]; }
    std::string_view view() const { return size == 0 ? std::string_view() : std::string_view(text.data() + 1, size - 1); }
  };
  struct ModuleSymbol {
    u64 address;
    u32 name;  // in strings
    u32 size;
    char type;
  };
  struct Module {
    std::string name;
    std::string strings;
    std::vector<ModuleSymbol> symbols;  // by address

    std::string_view name_of(const ModuleSymbol& symbol) const { return strings.data() + symbol.name; }
  };
  struct ModuleRange {
    Range range;
    u32 module;
  };
  struct Indices {
    u32 begin;
    u32 end;
  };

  Symbols() = default;
  Result<void> load_tokens(const Memory& memory, Addr table, Addr index);
  Result<void> load_names(const Memory& memory, Addr names);
  Result<void> load_addresses(const Memory& memory, const Vmcoreinfo& info);
  Result<void> walk_names(u32& walked, u64& position);
  void use_plain_names();
  Result<bool> add_line(std::string_view line);
  bool encoding_fits(Addr stext) const;
  void set_image(Addr stext);
  Name decode(Bytes tokens) const;
  Name name_at(u32 index) const;
  Indices same_address(Addr at) const;
  template <typename Found>
  void for_each_named(std::span<const std::string_view> names, Indices where, Found found) const;
  std::optional<SymbolAt> lookup_in_image(Addr at) const;
  const ModuleRange* find_module(Addr at) const;

  u32 count_ = 0;
  std::array<Token, 256> tokens_{};
  std::string token_text_;
  std::vector<std::byte, Unwritten<std::byte>> names_;
  std::vector<u32> markers_;  // where in names_ every 256th symbol starts
  Encoding encoding_ = Encoding::Absolute;
  u64 base_ = 0;  // relative base, or where the offsets stand
  std::vector<u32, Unwritten<u32>> offsets_;
  std::vector<u64, Unwritten<u64>> addresses_;  // Absolute only
  Range image_;                                 // [_stext, _end)
  std::vector<Module> modules_;
  std::vector<ModuleRange> module_ranges_;  // by address
};

}  // namespace orphan::kernel
