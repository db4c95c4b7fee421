// SPDX-License-Identifier: Apache-2.0
// A kernel's symbol tables that a test writes. For tests only.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "kernel/symbols.h"
#include "memory/fake_memory.h"

namespace orphan::kernel::fake_kallsyms {

inline constexpr u64 kText = 0xffff'ffff'8100'0000;
inline constexpr u64 kTables = 0xffff'ffff'8200'0000;
inline constexpr Addr kNumSyms{kTables};
inline constexpr Addr kRelativeBase{kTables + 8};
inline constexpr Addr kTokenIndex{kTables + 0x100};
inline constexpr Addr kTokenTable{kTables + 0x400};
inline constexpr Addr kOffsets{kTables + 0x1'0000};
inline constexpr u64 kNamesOffset = 0x20'0000;

enum class Scheme { Absolute, BaseRelative, AbsolutePercpu, PlaceRelative };
inline constexpr Scheme kSchemes[] = {Scheme::Absolute, Scheme::BaseRelative, Scheme::AbsolutePercpu, Scheme::PlaceRelative};

struct Line {
  u64 address;
  char type;
  std::string name;
};

// The tables of a kernel with the given symbols, in one of the encodings.
struct Tables {
  FakeMemory memory;
  std::string info;
  std::vector<std::string> tokens = std::vector<std::string>(256);
  Addr names{kTables + kNamesOffset + 0x123};

  Tables(const std::vector<Line>& lines, Scheme scheme) {
    memory.map({Addr{kTables}, kNamesOffset});
    for (u32 c = 1; c < 127; ++c) tokens[c] = std::string(1, static_cast<char>(c));
    u32 code = 128;
    for (const char* token : {"__", "init", "alloc", "T__", "Tkmem_cache_", "_", "d", "D", "per_cpu", "slab_", "caches"}) {
      tokens[code++] = token;
    }
    put_tokens();
    put_names(lines);
    memory.put(kNumSyms, static_cast<u32>(lines.size()));
    put_addresses(lines, scheme);
    info += fmt::format("SYMBOL(_stext)={:x}\nSYMBOL(kallsyms_names)={:x}\n", kText, names.value);
    info += fmt::format("SYMBOL(kallsyms_num_syms)={:x}\n", kNumSyms.value);
    info += fmt::format("SYMBOL(kallsyms_token_table)={:x}\n", kTokenTable.value);
    info += fmt::format("SYMBOL(kallsyms_token_index)={:x}\n", kTokenIndex.value);
  }

  Result<Symbols> load() const { return Symbols::from_memory(memory, Vmcoreinfo::parse(info)); }

  void put_tokens() {
    std::string table;
    for (u32 i = 0; i < tokens.size(); ++i) {
      memory.put(kTokenIndex + i * sizeof(u16), static_cast<u16>(table.size()));
      table += tokens[i] + '\0';
    }
    memory.write(kTokenTable, std::as_bytes(std::span(table)));
  }

  // Always the longest token that fits. Single characters stand for themselves.
  std::string compress(std::string_view text) const {
    std::string codes;
    while (!text.empty()) {
      u32 best = static_cast<u8>(text[0]);
      for (u32 i = 128; i < tokens.size() && !tokens[i].empty(); ++i) {
        if (text.starts_with(tokens[i]) && tokens[i].size() > tokens[best].size()) best = i;
      }
      codes += static_cast<char>(best);
      text.remove_prefix(tokens[best].size());
    }
    return codes;
  }

  void put_names(const std::vector<Line>& lines) {
    std::string blob;
    for (const Line& line : lines) {
      std::string codes = compress(line.type + line.name);
      if (codes.size() < 0x80) {
        blob += static_cast<char>(codes.size());
      } else {
        blob += static_cast<char>((codes.size() & 0x7f) | 0x80);
        blob += static_cast<char>(codes.size() >> 7);
      }
      blob += codes;
    }
    Range home{Addr{kTables + kNamesOffset}, 0};
    home.size_bytes = align_up(names - home.start + blob.size(), 4096);
    memory.map(home);
    memory.write(names, std::as_bytes(std::span(blob)));
  }

  void put_addresses(const std::vector<Line>& lines, Scheme scheme) {
    info +=
        fmt::format("SYMBOL({})={:x}\n", scheme == Scheme::Absolute ? "kallsyms_addresses" : "kallsyms_offsets", kOffsets.value);
    if (scheme == Scheme::BaseRelative || scheme == Scheme::AbsolutePercpu) {
      info += fmt::format("SYMBOL(kallsyms_relative_base)={:x}\n", kRelativeBase.value);
      memory.put(kRelativeBase, kText);
    }
    for (u64 i = 0; i < lines.size(); ++i) {
      u64 address = lines[i].address;
      Addr entry = kOffsets + i * 4;
      switch (scheme) {
        case Scheme::Absolute: memory.put(kOffsets + i * 8, address); break;
        case Scheme::BaseRelative: memory.put(entry, static_cast<u32>(address - kText)); break;
        case Scheme::PlaceRelative: memory.put(entry, static_cast<u32>(address - entry.value)); break;
        case Scheme::AbsolutePercpu: memory.put(entry, static_cast<u32>(address < kText ? address : kText - 1 - address)); break;
      }
    }
  }
};

inline std::vector<Line> ordinary_lines() {
  return {{kText, 'T', "_text"},
          {kText, 'T', "_stext"},
          {kText + 0x100, 't', "twice"},
          {kText + 0x140, 'T', "kmem_cache_alloc"},
          {kText + 0x200, 't', "thrice"},
          {kText + 0x300, 'T', "x"},
          {kText + 0x2000, 'D', "slab_caches"},
          {kText + 0x2010, 'd', "twice"},
          {kText + 0x2018, 'd', "twice"},
          {kText + 0x2018, 'D', "alias"},
          {kText + 0x2020, 'b', "__per_cpu_offset"},
          {kText + 0x3000, 'B', "_end"}};
}

}  // namespace orphan::kernel::fake_kallsyms
