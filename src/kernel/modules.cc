// SPDX-License-Identifier: Apache-2.0
#include "kernel/modules.h"

#include <elf.h>

#include <algorithm>
#include <unordered_set>

namespace orphan::kernel {
namespace {

constexpr u64 kMaxModules = 1 << 14;
constexpr u64 kMaxModuleBytes = u64{1} << 30;
constexpr u64 kMaxNameBytes = 56;  // MODULE_NAME_LEN
constexpr u64 kMaxSymbols = 1 << 22;

class Decoder {
 public:
  Decoder(const ModuleLayout& layout, Bytes bytes) : layout_(layout), bytes_(bytes) {}

  Module run(Addr address) {
    Module module;
    module.module = address;
    const char* name = reinterpret_cast<const char*>(bytes_.data() + layout_.name);
    module.name.assign(name, ::strnlen(name, kMaxNameBytes));
    module.kallsyms = Addr{word(layout_.kallsyms)};
    if (layout_.mem) {
      for (u32 kind = 0; kind < layout_.mem_count; ++kind) {
        u32 at = *layout_.mem + kind * layout_.mem_bytes;
        Range range{Addr{word(at + layout_.mem_base)}, half(at + layout_.mem_size)};
        bool holds_data = std::ranges::find(layout_.mem_data_kinds, kind) != layout_.mem_data_kinds.end();
        add(module, range, holds_data ? 0 : range.size_bytes);
      }
    } else {
      // Text and constants come first, then what becomes constant after init, then data.
      for (u32 at : {*layout_.core, *layout_.init}) {
        add(module, {Addr{word(at + layout_.layout_base)}, half(at + layout_.layout_size)}, half(at + layout_.layout_ro_size));
      }
    }
    return module;
  }

 private:
  u64 word(Offset offset) const { return load_unchecked<u64>(bytes_.data() + offset); }
  u32 half(Offset offset) const { return load_unchecked<u32>(bytes_.data() + offset); }

  static void add(Module& module, Range range, u64 constant_bytes) {
    if (!range.start || range.size_bytes == 0 || range.size_bytes > kMaxModuleBytes) return;
    module.memory.push_back(range);
    if (constant_bytes < range.size_bytes)
      module.data.push_back({range.start + constant_bytes, range.size_bytes - constant_bytes});
  }

  const ModuleLayout& layout_;
  Bytes bytes_;
};

}  // namespace

Result<Modules> read_modules(const KernelMemory& memory, const ModuleLayout& layout, Addr list) {
  Modules result;
  std::unordered_set<u64> seen;
  std::vector<std::byte> bytes(layout.read_bytes);
  Addr link{TRY(read_value<u64>(memory, list))};
  while (link != list) {
    Addr address = link - layout.list;
    if (seen.size() >= kMaxModules || !seen.insert(link.value).second || !memory.read(address, bytes)) {
      result.is_complete = false;
      break;
    }
    result.modules.push_back(Decoder(layout, bytes).run(address));
    link = Addr{load_unchecked<u64>(bytes.data() + layout.list)};
  }
  return result;
}

void add_symbols(const KernelMemory& memory, const ModuleLayout& layout, const Module& module, Symbols& symbols) {
  std::vector<std::byte> table(layout.kallsyms_bytes);
  if (!memory.read(module.kallsyms, table)) return;
  Addr symtab{load_unchecked<u64>(table.data() + layout.symtab)};
  Addr strtab{load_unchecked<u64>(table.data() + layout.strtab)};
  u64 count = load_unchecked<u32>(table.data() + layout.num_symtab);
  if (count == 0 || count > kMaxSymbols) return;
  std::vector<std::byte> symbol_bytes(count * sizeof(Elf64_Sym));
  if (!memory.read(symtab, symbol_bytes)) return;
  // How long the strings are is not kept: up to the end of the last name, which is looked for in the module's memory.
  u64 last_name = 0;
  for (u64 i = 0; i < count; ++i) {
    last_name = std::max<u64>(last_name, load_unchecked<Elf64_Sym>(symbol_bytes.data() + i * sizeof(Elf64_Sym)).st_name);
  }
  auto home = std::ranges::find_if(module.memory, [&](Range range) { return range.contains(strtab); });
  if (home == module.memory.end() || last_name >= home->end() - strtab) return;
  std::vector<std::byte> strings(std::min<u64>(last_name + 512, home->end() - strtab));
  if (!memory.read(strtab, strings)) return;
  symbols.add_module(module.name, module.memory, symbol_bytes, strings);
}

void ModuleWatch::look() {
  auto newest = read_value<u64>(memory_, list_);
  if (!newest || (*newest == newest_ && std::ranges::none_of(looks_, [](const auto& entry) { return entry.second != 0; })))
    return;
  memory_.forget_tables();  // what is new was not mapped before
  auto modules = read_modules(memory_, layout_, list_);
  if (!modules) return;
  newest_ = *newest;
  std::map<u64, unsigned> looks;
  for (const Module& module : modules->modules) {
    auto known = looks_.find(module.module.value);
    unsigned left = known == looks_.end() ? kLooks : known->second;
    if (left != 0) {
      add_symbols(memory_, layout_, module, symbols_);
      if (std::string id = build_id_of(module.name, text_of_); !id.empty()) build_ids_[module.name] = std::move(id);
    }
    looks[module.module.value] = left == 0 ? 0 : left - 1;
  }
  looks_ = std::move(looks);
}

}  // namespace orphan::kernel
