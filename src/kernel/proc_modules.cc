// SPDX-License-Identifier: Apache-2.0
#include "kernel/proc_modules.h"

#include <elf.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace orphan::kernel {
namespace {

constexpr u64 kPage = 4096;
constexpr u64 kGap = 1 << 20;  // between two parts of a module's memory; within one, symbols are closer

struct ProcSymbol {
  u64 address;
  char type;
  std::string_view name;
};

using ProcModules = std::map<std::string_view, std::vector<ProcSymbol>>;

// "ffffffffc0123040 t leak_one\t[leaky]".
void add_line(std::string_view line, ProcModules& modules) {
  std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos || line.size() < tab + 3 || line[tab + 1] != '[' || line.back() != ']') return;
  u64 address = 0;
  std::string_view rest = line.substr(0, tab);
  auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), address, 16);
  rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
  if (error != std::errc() || address == 0 || rest.size() < 4 || rest[0] != ' ' || rest[2] != ' ') return;
  modules[line.substr(tab + 2, line.size() - tab - 3)].push_back({address, rest[1], rest.substr(3)});
}

unsigned char info_of(char type) {
  bool is_text = type == 't' || type == 'T', is_global = type >= 'A' && type <= 'Z';
  return static_cast<unsigned char>(ELF64_ST_INFO(is_global ? STB_GLOBAL : STB_LOCAL, is_text ? STT_FUNC : STT_OBJECT));
}

void add_module(std::string_view name, std::vector<ProcSymbol>& table, Symbols& symbols) {
  std::ranges::stable_sort(table, {}, &ProcSymbol::address);
  std::vector<Range> memory;
  std::vector<Elf64_Sym> symtab;
  std::string strtab(1, '\0');
  for (std::size_t i = 0; i < table.size(); ++i) {
    u64 address = table[i].address, page = address / kPage * kPage;
    if (memory.empty() || address > memory.back().end().value + kGap) memory.push_back({Addr{page}, 0});
    memory.back().size_bytes = page + kPage - memory.back().start.value;
    auto next = std::ranges::find_if(table.begin() + static_cast<std::ptrdiff_t>(i), table.end(),
                                     [&](const ProcSymbol& other) { return other.address > address; });
    bool has_next = next != table.end() && next->address - address <= kGap;
    Elf64_Sym symbol{};
    symbol.st_name = static_cast<u32>(strtab.size());
    symbol.st_value = address;
    symbol.st_size = has_next ? next->address - address : page + kPage - address;
    symbol.st_shndx = SHN_ABS;
    symbol.st_info = info_of(table[i].type);
    symtab.push_back(symbol);
    strtab += table[i].name;
    strtab += '\0';
  }
  symbols.add_module(std::string(name), memory, std::as_bytes(std::span(symtab)), std::as_bytes(std::span(strtab)));
}

}  // namespace

void add_module_symbols(std::string_view kallsyms, Symbols& symbols) {
  ProcModules modules;
  for (std::size_t end; (end = kallsyms.find('\n')) != std::string_view::npos; kallsyms.remove_prefix(end + 1))
    add_line(kallsyms.substr(0, end), modules);
  for (auto& [name, table] : modules) add_module(name, table, symbols);
}

void ProcModuleWatch::look() {
  auto modules = text_of_("/proc/modules");
  if (!modules || *modules == modules_) return;
  modules_ = std::move(*modules);
  if (auto kallsyms = text_of_("/proc/kallsyms")) add_module_symbols(*kallsyms, symbols_);
  for (std::string_view rest = modules_; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    std::string name(line.substr(0, line.find(' ')));
    if (std::string id = build_id_of(name, text_of_); !id.empty()) build_ids_[name] = std::move(id);
  }
}

}  // namespace orphan::kernel
