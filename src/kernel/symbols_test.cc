// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbols.h"

#include <elf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kernel/fake_kallsyms.h"

namespace orphan::kernel {
namespace {

using namespace fake_kallsyms;

// So many that there are several pieces, markers and pages of each table.
std::vector<Line> many_lines(u32 count) {
  std::vector<Line> lines = {{kText, 'T', "_stext"}};
  for (u32 i = 1; i + 1 < count; ++i) lines.push_back({kText + i * 16, 't', fmt::format("kmem_cache_function_{}", i * 7919)});
  lines.push_back({kText + count * 16, 'B', "_end"});
  return lines;
}

std::string show(const std::optional<SymbolAt>& symbol) {
  if (!symbol) return "nothing";
  std::string module = symbol->module.empty() ? "" : " [" + symbol->module + "]";
  return fmt::format("{} {}+{:#x}/{:#x}{}", symbol->type, symbol->name, symbol->offset, symbol->size, module);
}

TEST(Symbols, EveryEncodingOfAddressesIsDetected) {
  std::vector<Line> lines = ordinary_lines();
  for (Scheme scheme : kSchemes) {
    auto symbols = Tables(lines, scheme).load();
    ASSERT_TRUE(symbols) << symbols.error().text();
    ASSERT_EQ(symbols->size(), lines.size());
    for (u32 i = 0; i < lines.size(); ++i) {
      Symbol symbol = symbols->at(i);
      EXPECT_EQ(symbol.address.value, lines[i].address);
      EXPECT_EQ(symbol.name, lines[i].name);
      EXPECT_EQ(symbol.type, lines[i].type);
    }
  }
}

TEST(Symbols, APerCpuVariableOfOldX86HasItsOffset_AndIsNoAddress) {
  std::vector<Line> lines = ordinary_lines();
  lines.insert(lines.begin(), {{0, 'A', "__per_cpu_start"}, {0x1fb80, 'A', "current_task"}});
  auto symbols = Tables(lines, Scheme::AbsolutePercpu).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  auto found = symbols->find("current_task");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address.value, 0x1fb80U);
  EXPECT_EQ(show(symbols->lookup(Addr{0x1fb80})), "nothing");
  EXPECT_EQ(symbols->find("slab_caches")->address.value, kText + 0x2000);
}

TEST(Symbols, LookupGivesNameOffsetAndSize) {
  auto symbols = Tables(ordinary_lines(), Scheme::BaseRelative).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  EXPECT_EQ(show(symbols->lookup(Addr{kText + 0x140})), "T kmem_cache_alloc+0x0/0xc0");
  EXPECT_EQ(show(symbols->lookup(Addr{kText + 0x1ff})), "T kmem_cache_alloc+0xbf/0xc0");
  EXPECT_EQ(show(symbols->lookup(Addr{kText + 0x2fff})), "b __per_cpu_offset+0xfdf/0xfe0");
}

TEST(Symbols, OfSeveralNamesOfOneAddressLookupGivesTheFirst) {
  auto symbols = Tables(ordinary_lines(), Scheme::BaseRelative).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  EXPECT_EQ(show(symbols->lookup(Addr{kText})), "T _text+0x0/0x100");
  EXPECT_EQ(show(symbols->lookup(Addr{kText + 0x201a})), "d twice+0x2/0x8");
}

TEST(Symbols, NothingIsBeforeStextNorFromEndOn) {
  auto symbols = Tables(ordinary_lines(), Scheme::BaseRelative).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  EXPECT_EQ(show(symbols->lookup(Addr{kText - 1})), "nothing");
  EXPECT_EQ(show(symbols->lookup(Addr{kText + 0x3000})), "nothing");
  EXPECT_EQ(show(symbols->lookup(Addr{0})), "nothing");
  EXPECT_EQ(show(symbols->lookup(Addr{~u64{0}})), "nothing");
}

TEST(Symbols, FindAnswersInTheOrderOfTheQuestions) {
  auto symbols = Tables(ordinary_lines(), Scheme::BaseRelative).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  std::string_view names[] = {"slab_caches", "absent", "x", "__per_cpu_offset", "slab_caches", "", "slab_cache", "slab_cachesx"};
  auto found = symbols->find(names);
  ASSERT_EQ(found.size(), std::size(names));
  ASSERT_TRUE(found[0] && found[2] && found[3] && found[4]);
  EXPECT_EQ(found[0]->address.value, kText + 0x2000);
  EXPECT_EQ(found[0]->type, 'D');
  EXPECT_EQ(found[2]->name, "x");
  EXPECT_EQ(found[3]->address.value, kText + 0x2020);
  EXPECT_EQ(found[4]->address, found[0]->address);
  EXPECT_FALSE(found[1] || found[5] || found[6] || found[7]);
}

TEST(Symbols, OfSeveralSymbolsOfANameFindTakesTheFirstThatIsNotText) {
  auto symbols = Tables(ordinary_lines(), Scheme::BaseRelative).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  EXPECT_EQ(symbols->find("twice")->address.value, kText + 0x2010);
  EXPECT_EQ(symbols->find("thrice")->address.value, kText + 0x200);
  auto all = symbols->find_all("twice");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].type, 't');
  EXPECT_EQ(all[2].address.value, kText + 0x2018);
  EXPECT_TRUE(symbols->find_all("absent").empty());
}

TEST(Symbols, EveryOneOfManyIsFoundByNameAndByAddress) {
  std::vector<Line> lines = many_lines(9'000);
  auto symbols = Tables(lines, Scheme::PlaceRelative).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  std::vector<std::string_view> names;
  for (u32 i = 0; i < lines.size(); i += 41) names.push_back(lines[i].name);
  auto found = symbols->find(names);
  for (u32 i = 0; i < names.size(); ++i) {
    ASSERT_TRUE(found[i]) << names[i];
    ASSERT_EQ(found[i]->address.value, lines[i * 41].address);
  }
  for (u32 i = 0; i + 1 < lines.size(); ++i) {
    auto at = symbols->lookup(Addr{lines[i].address + 3});
    ASSERT_TRUE(at) << lines[i].name;
    ASSERT_EQ(at->name, lines[i].name);
    ASSERT_EQ(at->offset, 3U);
  }
}

TEST(Symbols, ANameOfMoreThan127TokensIsRead) {
  std::vector<Line> lines = ordinary_lines();
  std::string name;
  while (name.size() < 300) name += fmt::format("{}q", name.size());
  lines[5].name = name;
  auto symbols = Tables(lines, Scheme::BaseRelative).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  EXPECT_EQ(symbols->find(name)->address.value, kText + 0x300);
  EXPECT_EQ(symbols->lookup(Addr{kText + 0x300})->name, name);
}

TEST(Symbols, WithoutDataSymbolsTheImageEndsWithTheLastOne) {
  std::vector<Line> lines = ordinary_lines();
  lines.resize(5);
  auto symbols = Tables(lines, Scheme::BaseRelative).load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  EXPECT_EQ(symbols->lookup(Addr{kText + 0x200})->name, "thrice");
  EXPECT_EQ(show(symbols->lookup(Addr{kText + 0x201})), "nothing");
}

// --- What does not add up ---

TEST(Symbols, WithoutTheTablesInVmcoreinfoTheyAreNotFound) {
  for (const char* key :
       {"_stext", "kallsyms_names", "kallsyms_num_syms", "kallsyms_token_table", "kallsyms_token_index", "kallsyms_offsets"}) {
    Tables kernel(ordinary_lines(), Scheme::BaseRelative);
    kernel.info.replace(kernel.info.find(fmt::format("SYMBOL({})", key)), 6, "LYMBOS");
    auto symbols = kernel.load();
    ASSERT_FALSE(symbols) << key;
    EXPECT_EQ(symbols.error().code(), ErrorCode::NotFound) << key;
    EXPECT_NE(symbols.error().text().find(key), std::string::npos) << key;
  }
}

ErrorCode error_of(const Tables& kernel) {
  auto symbols = kernel.load();
  return symbols ? ErrorCode::Usage : symbols.error().code();
}

TEST(Symbols, AnAbsurdNumberOfSymbolsIsBadData) {
  for (u32 count : {u32{0}, u32{1} << 23, ~u32{0}}) {
    Tables kernel(ordinary_lines(), Scheme::BaseRelative);
    kernel.memory.put(kNumSyms, count);
    EXPECT_EQ(error_of(kernel), ErrorCode::BadData) << count;
  }
}

TEST(Symbols, MoreSymbolsThanThereAreNamesIsBadData) {
  std::vector<Line> lines = ordinary_lines();
  Tables kernel(lines, Scheme::BaseRelative);
  kernel.memory.put(kNumSyms, static_cast<u32>(lines.size() + 1));
  EXPECT_EQ(error_of(kernel), ErrorCode::BadData);
}

TEST(Symbols, ANameThatEndsBeyondTheMappedMemoryIsBadData) {
  Tables kernel(ordinary_lines(), Scheme::BaseRelative);
  kernel.memory.write(kernel.names, std::vector<std::byte>(2, std::byte{0xff}));
  EXPECT_EQ(error_of(kernel), ErrorCode::BadData);
}

TEST(Symbols, ATokenIndexOutOfTheTableIsBadData) {
  Tables kernel(ordinary_lines(), Scheme::BaseRelative);
  kernel.info = kernel.info.substr(0, kernel.info.find("SYMBOL(kallsyms_token_table)"));
  Addr last_page{kTables + kNamesOffset - 4096};
  // The tables end with the mapping; the byte before is no end of a token.
  FakeMemory& memory = kernel.memory;
  memory.write(last_page, std::vector<std::byte>(4096, std::byte{'a'}));
  memory.put(kTokenIndex, u16{4095});
  FakeMemory cut;
  cut.map({Addr{kTables}, kNamesOffset});
  std::vector<std::byte> tables(kNamesOffset);
  ASSERT_TRUE(memory.read(Addr{kTables}, tables));
  cut.write(Addr{kTables}, tables);
  kernel.info +=
      fmt::format("SYMBOL(kallsyms_token_table)={:x}\nSYMBOL(kallsyms_token_index)={:x}\n", last_page.value, kTokenIndex.value);
  auto symbols = Symbols::from_memory(cut, Vmcoreinfo::parse(kernel.info));
  ASSERT_FALSE(symbols);
  EXPECT_EQ(symbols.error().code(), ErrorCode::BadData);
  EXPECT_NE(symbols.error().text().find("token"), std::string::npos);
}

TEST(Symbols, AddressesThatDoNotHaveStextWhereItIsAreBadData) {
  for (Scheme scheme : kSchemes) {
    Tables kernel(ordinary_lines(), scheme);
    std::size_t at = kernel.info.find("SYMBOL(_stext)=") + 15;
    kernel.info[kernel.info.find('\n', at) - 1] = '8';
    EXPECT_EQ(error_of(kernel), ErrorCode::BadData);
  }
}

TEST(Symbols, ATokenLongerThanANameIsBadData_AndANameThatWouldBeIsCut) {
  std::vector<Line> lines = ordinary_lines();
  lines[2].name = "qqqq";
  Tables kernel(lines, Scheme::BaseRelative);
  kernel.tokens['q'] = std::string(512, 'l');
  kernel.put_tokens();
  EXPECT_EQ(error_of(kernel), ErrorCode::BadData);
  kernel.tokens['q'] = std::string(500, 'l');
  kernel.put_tokens();
  auto symbols = kernel.load();
  ASSERT_TRUE(symbols) << symbols.error().text();
  auto cut = symbols->lookup(Addr{lines[2].address});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->name, std::string(511, 'l'));
}

TEST(Symbols, EveryByteOfTheTablesMayBeWrong) {
  Tables kernel(ordinary_lines(), Scheme::AbsolutePercpu);
  std::string_view wanted[] = {"slab_caches", "x", "_end"};
  for (Addr table : {kTokenIndex, kTokenTable, kOffsets, Addr{kTables + kNamesOffset + 0x123}, kNumSyms}) {
    for (u64 i = 0; i < 160; ++i) {
      auto good = read_value<u8>(kernel.memory, table + i);
      ASSERT_TRUE(good);
      for (u8 value : {u8{0}, u8{0x7f}, u8{0x80}, u8{0xff}}) {
        kernel.memory.put(table + i, value);
        auto symbols = kernel.load();
        if (!symbols) continue;
        // Whatever the answers are: they come.
        (void)symbols->find(wanted);
        for (u32 s = 0; s < symbols->size(); s += 1 + s / 8) (void)symbols->lookup(symbols->at(s).address + 1);
      }
      kernel.memory.put(table + i, *good);
    }
  }
}

TEST(Symbols, WhenTheNthReadFailsThereIsAnErrorOrTheSameTable) {
  std::vector<Line> lines = many_lines(9'000);
  Tables kernel(lines, Scheme::BaseRelative);
  u64 before = kernel.memory.reads();
  ASSERT_TRUE(kernel.load());
  u64 reads = kernel.memory.reads() - before;
  ASSERT_GE(reads, 6U);
  u64 errors = 0;
  for (u64 n = 1; n <= reads; ++n) {
    kernel.memory.fail_read(n);
    auto symbols = kernel.load();
    if (!symbols) {
      ++errors;
      EXPECT_EQ(symbols.error().code(), ErrorCode::BadData);
      EXPECT_NE(symbols.error().text().find("cannot be read"), std::string::npos);
      continue;
    }
    // A big piece is asked for again, in smaller ones.
    EXPECT_EQ(symbols->size(), lines.size());
    EXPECT_EQ(symbols->at(8'000).name, lines[8'000].name);
  }
  EXPECT_GE(errors, 4U);
}

// --- /proc/kallsyms ---

class ProcSymbols : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "orphan-kallsyms-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Result<Symbols> load(const std::string& text) {
    std::string path = directory_ / "kallsyms";
    std::ofstream(path, std::ios::binary) << text;
    return Symbols::from_proc(path);
  }
  static std::string text_of(const std::vector<Line>& lines) {
    std::string text;
    for (const Line& line : lines) text += fmt::format("{:016x} {} {}\n", line.address, line.type, line.name);
    return text;
  }

  std::filesystem::path directory_;
};

TEST_F(ProcSymbols, AnswersAsTheTablesDo) {
  std::vector<Line> lines = many_lines(12'000);
  lines[77].name = std::string(200, 'n');
  auto symbols = load(text_of(lines));
  ASSERT_TRUE(symbols) << symbols.error().text();
  ASSERT_EQ(symbols->size(), lines.size());
  for (u32 i = 0; i < lines.size(); ++i) {
    Symbol symbol = symbols->at(i);
    ASSERT_EQ(symbol.address.value, lines[i].address);
    ASSERT_EQ(symbol.name, lines[i].name);
    ASSERT_EQ(symbol.type, lines[i].type);
  }
  EXPECT_EQ(symbols->lookup(Addr{kText + 77 * 16 + 5})->name, lines[77].name);
  EXPECT_EQ(symbols->find(lines[11'111].name)->address.value, lines[11'111].address);
  EXPECT_EQ(show(symbols->lookup(Addr{kText + 12'000 * 16})), "nothing");
}

TEST_F(ProcSymbols, ModulesLinesEndTheTable) {
  auto symbols = load(text_of(ordinary_lines()) + "ffffffffc0000000 t leak_init\t[leaky]\nnot read any more\n");
  ASSERT_TRUE(symbols) << symbols.error().text();
  EXPECT_EQ(symbols->size(), ordinary_lines().size());
  EXPECT_FALSE(symbols->find("leak_init"));
}

TEST_F(ProcSymbols, HiddenAddressesAreAMatterOfRights) {
  std::vector<Line> lines = ordinary_lines();
  for (Line& line : lines) line.address = 0;
  auto symbols = load(text_of(lines));
  ASSERT_FALSE(symbols);
  EXPECT_EQ(symbols.error().code(), ErrorCode::Permission);
  EXPECT_NE(symbols.error().text().find("kptr_restrict=1"), std::string::npos);
}

TEST_F(ProcSymbols, WhatIsNotSuchAFileIsRefused) {
  for (const std::string& bad :
       {std::string("\n"), std::string("hello world, this is text\n"), std::string("ffffffff81000000 T \n"),
        std::string("ffffffff81000000\n"), std::string("11112222333344445 T a\n"), std::string(),
        "ffffffff81000000 T " + std::string(600, 'a') + "\n", std::string(400'000, 'a'),
        std::string("ffffffff81000000 T no_stext\n")}) {
    auto symbols = load(bad);
    ASSERT_FALSE(symbols) << bad.substr(0, 40);
    EXPECT_EQ(symbols.error().code(), ErrorCode::BadData) << bad.substr(0, 40);
    EXPECT_NE(symbols.error().text().find("kallsyms"), std::string::npos);
  }
}

TEST_F(ProcSymbols, AMissingFileNamesTheKernelsSwitch) {
  auto symbols = Symbols::from_proc(directory_ / "nothing");
  ASSERT_FALSE(symbols);
  EXPECT_EQ(symbols.error().code(), ErrorCode::NotFound);
  EXPECT_NE(symbols.error().text().find("CONFIG_KALLSYMS"), std::string::npos);
}

// --- Modules ---

constexpr u64 kModule = 0xffff'ffff'c000'0000;

class ModuleSymbols : public testing::Test {
 protected:
  void SetUp() override {
    auto symbols = Tables(ordinary_lines(), Scheme::BaseRelative).load();
    ASSERT_TRUE(symbols) << symbols.error().text();
    symbols_.emplace(std::move(symbols).take());
    add(0, SHN_UNDEF, 0, "");
    add(kModule + 0x200, 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), "leak_all", 0x80);
    add(kModule + 0x100, 1, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), "leak_one", 0x40);
    add(kModule + 0x8010, 2, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), "lost", 8);
  }
  void add(u64 address, u16 section, u8 info, const std::string& name, u64 size = 0) {
    symtab_.push_back({static_cast<u32>(strings_.size()), info, 0, section, address, size});
    strings_ += name + '\0';
  }
  void load() { symbols_->add_module("leaky", kRanges, std::as_bytes(std::span(symtab_)), std::as_bytes(std::span(strings_))); }
  std::string at(u64 address) const { return show(symbols_->lookup(Addr{address})); }

  static constexpr Range kRanges[] = {{Addr{kModule}, 0x1000}, {Addr{kModule + 0x8000}, 0x1000}};
  std::optional<Symbols> symbols_;
  std::vector<Elf64_Sym> symtab_;
  std::string strings_;
};

TEST_F(ModuleSymbols, LookupNamesTheModule) {
  load();
  EXPECT_EQ(at(kModule + 0x100), "t leak_one+0x0/0x40 [leaky]");
  EXPECT_EQ(at(kModule + 0x1ff), "t leak_one+0xff/0x40 [leaky]");
  EXPECT_EQ(at(kModule + 0x200), "T leak_all+0x0/0x80 [leaky]");
  EXPECT_EQ(at(kModule + 0x8011), "d lost+0x1/0x8 [leaky]");
  EXPECT_EQ(at(kText), "T _text+0x0/0x100");
}

TEST_F(ModuleSymbols, TheSameModuleAgainKeepsWhatItHad_AnotherInItsPlaceReplacesIt) {
  load();
  symtab_.pop_back();
  symtab_.pop_back();
  load();
  EXPECT_EQ(at(kModule + 0x100), "t leak_one+0x0/0x40 [leaky]") << "it has fewer symbols now";
  symbols_->add_module("other", kRanges, std::as_bytes(std::span(symtab_)), std::as_bytes(std::span(strings_)));
  EXPECT_EQ(at(kModule + 0x100), "nothing");
  EXPECT_EQ(at(kModule + 0x200), "T leak_all+0x0/0x80 [other]");
}

TEST_F(ModuleSymbols, NothingIsBeforeTheFirstSymbolOfARangeNorOutsideOfThem) {
  load();
  EXPECT_EQ(at(kModule + 0xff), "nothing");
  EXPECT_EQ(at(kModule + 0x1000), "nothing");
  EXPECT_EQ(at(kModule + 0x800f), "nothing");
  EXPECT_EQ(at(kModule + 0x9000), "nothing");
  EXPECT_EQ(symbols_->module_at(Addr{kModule + 0xff}), "leaky");
  EXPECT_EQ(symbols_->module_at(Addr{kModule + 0x1000}), "");
}

TEST_F(ModuleSymbols, OneModulesSymbolIsFoundByName) {
  load();
  auto lost = symbols_->find_in_module("leaky", "lost");
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->address.value, kModule + 0x8010);
  EXPECT_FALSE(symbols_->find_in_module("other", "lost"));
  EXPECT_FALSE(symbols_->find_in_module("leaky", "found"));
  EXPECT_FALSE(symbols_->find("lost"));
}

TEST_F(ModuleSymbols, DamagedSymbolsAreLeftOut) {
  add(kModule + 0x300, 1, 0, "$x");
  add(kModule + 0x310, 1, 0, "");
  add(kModule + 0x320, SHN_UNDEF, 0, "undefined");
  add(0x1234, SHN_ABS, 0, "elsewhere");
  add(kModule + 0x330, 1, 0, "far");
  symtab_.back().st_name = ~u32{0};
  add(kModule + 0x340, 1, 0, "beyond");
  symtab_.back().st_name = static_cast<u32>(strings_.size());
  load();
  EXPECT_EQ(at(kModule + 0x400), "T leak_all+0x200/0x80 [leaky]");
  EXPECT_FALSE(symbols_->find_in_module("leaky", "elsewhere"));
}

TEST_F(ModuleSymbols, TheLastStringNeedsNoEnd) {
  strings_.pop_back();
  load();
  EXPECT_EQ(at(kModule + 0x8010), "d lost+0x0/0x8 [leaky]");
}

TEST_F(ModuleSymbols, AModuleWithoutSymbolsStillHasItsMemory) {
  symtab_.clear();
  strings_.clear();
  load();
  EXPECT_EQ(at(kModule + 0x100), "nothing");
  EXPECT_EQ(symbols_->module_at(Addr{kModule}), "leaky");
}

TEST_F(ModuleSymbols, TheirTablesMakeTheSameModulesAnew) {
  load();
  auto tables = symbols_->module_tables();
  ASSERT_EQ(tables.size(), 1U);
  std::vector<u64> places{kModule + 0x100, kModule + 0x244, kModule + 0x8010};
  std::vector<std::string> before;
  for (u64 place : places) before.push_back(at(place));
  symbols_->clear_modules();
  symbols_->add_module(tables[0].name, tables[0].memory, tables[0].symtab, tables[0].strtab);
  for (std::size_t i = 0; i < places.size(); ++i) EXPECT_EQ(at(places[i]), before[i]);
  EXPECT_EQ(symbols_->module_at(Addr{kModule + 0xff}), "leaky");
}

TEST_F(ModuleSymbols, ClearedModulesAreGone) {
  load();
  symbols_->clear_modules();
  EXPECT_EQ(at(kModule + 0x100), "nothing");
  EXPECT_EQ(symbols_->module_at(Addr{kModule}), "");
  EXPECT_EQ(at(kText), "T _text+0x0/0x100");
}

}  // namespace
}  // namespace orphan::kernel
