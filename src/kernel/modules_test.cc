// SPDX-License-Identifier: Apache-2.0
#include "kernel/modules.h"

#include <elf.h>
#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"
#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

constexpr Verdict H = Verdict::Held, L = Verdict::Leaked;

class ModulesTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  FakeModule module_ = kernel_.add_module("leaky");
  FakeModule other_ = kernel_.add_module("other");
  Addr target_ = kernel_.kmalloc(64);

  Verdict with_pointer_at(Addr at) {
    u64 was = kernel_.word(at);
    kernel_.point(at, target_);
    Verdict verdict = kernel_.verdict(target_);
    kernel_.put_word(at, was);
    return verdict;
  }
  Modules read() {
    auto modules = read_modules(kernel_.memory(), kernel_.layouts().module, kernel_.globals.modules);
    VERIFY(bool(modules));
    return std::move(*modules);
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, ModulesTest, testing::ValuesIn(kVersions), version_name);

TEST_P(ModulesTest, ModulesAreFoundByName_WithAllTheirMemory) {
  Modules modules = read();
  ASSERT_EQ(modules.modules.size(), 2U);
  EXPECT_TRUE(modules.is_complete);
  EXPECT_EQ(modules.modules[0].name, "leaky");
  EXPECT_EQ(modules.modules[0].module, module_.module);
  EXPECT_EQ(modules.modules[1].name, "other");
  for (Range part : {module_.text, module_.rodata, module_.ro_after_init, module_.data}) {
    auto holds = [&](Range range) { return range.contains(part); };
    EXPECT_TRUE(std::ranges::any_of(modules.modules[0].memory, holds));
  }
}

TEST_P(ModulesTest, DataIsARoot_CodeAndConstantsAreNot) {
  for (const FakeModule& module : {module_, other_}) {
    EXPECT_EQ(with_pointer_at(module.data.end() - 8), H);
    EXPECT_EQ(with_pointer_at(module.ro_after_init.start), H);
    EXPECT_EQ(with_pointer_at(module.rodata.start + 8), L);
    EXPECT_EQ(with_pointer_at(module.text.start + 8), L);
  }
}

TEST_P(ModulesTest, TheMemoryOfAModuleIsNoBlock) {
  FakeScan scan = kernel_.scan();
  for (Range part : {module_.text, module_.rodata, module_.ro_after_init, module_.data}) {
    EXPECT_EQ(scan.verdict(part.start), Verdict::NoBlock);
  }
}

TEST_P(ModulesTest, PartsThatMakeNoSenseAreLeftOut) {
  std::string_view size = GetParam().is_typed ? "mem" : "core_layout.size";
  Addr at = kernel_.member(module_.module, "module", size);
  if (GetParam().is_typed) at = kernel_.member(at + kernel_.types().size("module_memory"), "module_memory", "size");  // MOD_DATA
  std::size_t parts = read().modules[0].memory.size();
  for (u32 absurd : {0U, 0x7fff'ffffU}) {
    kernel_.put_word(at, absurd);
    EXPECT_EQ(read().modules[0].memory.size(), parts - 1) << absurd;
  }
}

TEST_P(ModulesTest, ADamagedListIsAGap_WhatWasReadCounts) {
  Addr link = kernel_.member(module_.module, "module", "list");
  u64 was = kernel_.word(link);
  for (u64 wild : {u64{0xdead'0000'0000'0100}, u64{8}, link.value}) {
    kernel_.put_word(link, wild);
    FakeScan scan = kernel_.scan();
    EXPECT_TRUE(scan.look->gaps.modules_incomplete) << std::hex << wild;
    ASSERT_EQ(scan.look->modules.size(), 1U) << std::hex << wild;
    EXPECT_EQ(scan.look->modules[0].name, "leaky");
  }
  kernel_.put_word(link, was);
  EXPECT_FALSE(kernel_.scan().look->gaps.modules_incomplete);
}

// A symbol table in the module's data, as mod_kallsyms describes it.
class ModuleSymbolsTest : public ModulesTest {
 protected:
  Addr table_ = module_.data.start + 0x800, symtab_ = table_ + 0x40, strtab_ = table_ + 0x100;
  Symbols symbols_ = fake_symbols({});

  void SetUp() override {
    kernel_.put(module_.module, "module", "kallsyms", table_);
    kernel_.put(table_, "mod_kallsyms", "symtab", symtab_);
    kernel_.put(table_, "mod_kallsyms", "num_symtab", 2);
    kernel_.put(table_, "mod_kallsyms", "strtab", strtab_);
    put_symbol(1, 1, module_.text.start + 0x40);
    write(strtab_, std::as_bytes(std::span("\0leak_init", 11)));
  }
  void write(Addr at, Bytes bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      u64 word = 0;
      std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
      kernel_.put_word(at + i, word);
    }
  }
  void put_symbol(u64 number, u32 name, Addr value) {
    Elf64_Sym symbol{};
    symbol.st_name = name;
    symbol.st_value = value.value;
    symbol.st_size = 0x20;
    symbol.st_shndx = 1;
    write(symtab_ + number * sizeof symbol, std::as_bytes(std::span(&symbol, 1)));
  }
  std::string name_at(u64 offset) {
    symbols_.clear_modules();
    kernel_.memory().forget_tables();
    for (const Module& module : read().modules) {
      if (module.name == "leaky") add_symbols(kernel_.memory(), kernel_.layouts().module, module, symbols_);
    }
    auto found = symbols_.lookup(module_.text.start + offset);
    return found ? found->name + " [" + found->module + "]" : "";
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, ModuleSymbolsTest, testing::ValuesIn(kVersions), version_name);

TEST_P(ModuleSymbolsTest, AModulesSymbolsAreAdded) {
  EXPECT_EQ(name_at(0x44), "leak_init [leaky]");
}

TEST_P(ModuleSymbolsTest, TablesThatDoNotAddUpAddNothing) {
  struct Case {
    const char* path;
    u64 value;
  };
  for (const Case& c : {Case{"num_symtab", 0}, Case{"num_symtab", 0xffff'ffff}, Case{"symtab", 0x1234},
                        Case{"strtab", module_.data.start.value - 0x10'0000}}) {
    ASSERT_EQ(name_at(0x44), "leak_init [leaky]");
    u64 was = kernel_.value(table_, "mod_kallsyms", c.path);
    kernel_.put(table_, "mod_kallsyms", c.path, c.value);
    EXPECT_EQ(name_at(0x44), "") << c.path;
    kernel_.put(table_, "mod_kallsyms", c.path, was);
  }
  kernel_.put(module_.module, "module", "kallsyms", 0);
  EXPECT_EQ(name_at(0x44), "") << "a module that is going away";
}

TEST_P(ModuleSymbolsTest, ANameBeyondTheModulesMemoryAddsNothing) {
  put_symbol(1, 0xffff'fff0, module_.text.start + 0x40);
  EXPECT_EQ(name_at(0x44), "");
}

TEST_P(ModuleSymbolsTest, AWatchHasTheSymbolsOfAModuleThatComesAndGoes_EvenIfThatHasNoneAtFirst) {
  auto text_of = [](std::string_view name) -> Result<std::string> {
    if (name != "/sys/module/leaky/notes/.note.gnu.build-id") return Error(ErrorCode::NotFound, std::string(name));
    return std::string("\x04\0\0\0\x01\0\0\0\x03\0\0\0GNU\0k\0\0\0", 20);
  };
  ModuleWatch watch(kernel_.memory(), kernel_.layouts().module, kernel_.globals.modules, symbols_, text_of);
  kernel_.put(table_, "mod_kallsyms", "num_symtab", 0);
  watch.look();
  EXPECT_EQ(watch.build_ids(), (BuildIds{{"leaky", "6b"}}));
  EXPECT_TRUE(symbols_.module_at(module_.text.start + 0x40).empty());
  kernel_.put(table_, "mod_kallsyms", "num_symtab", 2);
  watch.look();
  EXPECT_EQ(symbols_.module_at(module_.text.start + 0x40), "leaky");
  kernel_.link(kernel_.globals.modules, {});
  kernel_.put(table_, "mod_kallsyms", "num_symtab", 0);
  watch.look();
  EXPECT_EQ(symbols_.module_at(module_.text.start + 0x40), "leaky") << "it is gone, and its symbols stay";
}

}  // namespace
}  // namespace orphan::kernel
