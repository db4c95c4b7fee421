// SPDX-License-Identifier: Apache-2.0
#include "kernel/proc_modules.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace orphan::kernel {
namespace {

constexpr std::string_view kImage =
    "ffffffff81000000 T _stext\nffffffff81000000 T _text\nffffffff81000040 T kmalloc\nffffffff82000000 T _end\n";

class ProcModulesTest : public testing::Test {
 protected:
  std::string at(u64 address) {
    auto symbol = symbols_->lookup(Addr{address});
    return symbol
               ? fmt::format("{} {}+{:#x}/{:#x} [{}]", symbol->type, symbol->name, symbol->offset, symbol->size, symbol->module)
               : "nothing";
  }

  Result<Symbols> symbols_ = Symbols::from_text(kImage, "text");
};

TEST_F(ProcModulesTest, SymbolsOfModulesReachUpToTheNext_AndAModuleMayBeInPieces) {
  add_module_symbols(
      "ffffffff81000040 T kmalloc\n"
      "ffffffffc0001100 t leak_two\t[leaky]\n"
      "ffffffffc0001040 t leak_one\t[leaky]\n"
      "ffffffffc0900000 t leaky_init\t[leaky]\n"
      "ffffffffc0400000 T other_one\t[other]\n",
      *symbols_);
  EXPECT_EQ(at(0xffff'ffff'c000'1044), "t leak_one+0x4/0xc0 [leaky]");
  EXPECT_EQ(at(0xffff'ffff'c000'1100), "t leak_two+0x0/0xf00 [leaky]");
  EXPECT_EQ(at(0xffff'ffff'c000'103f), "nothing");
  EXPECT_EQ(at(0xffff'ffff'c000'2000), "nothing");
  EXPECT_EQ(at(0xffff'ffff'c090'0010), "t leaky_init+0x10/0x1000 [leaky]");
  EXPECT_EQ(at(0xffff'ffff'c040'0008), "T other_one+0x8/0x1000 [other]");
}

TEST_F(ProcModulesTest, LinesThatAreNoSymbolsOfModulesAreLeftOut) {
  add_module_symbols(
      "\n\t\n\t[]\nffffffffc0001040 t leak_one\t[leaky\nnothing t leak_one\t[leaky]\nffffffffc0001040 leak_one\t[leaky]\n"
      "0000000000000000 t hidden\t[leaky]\nffffffffc0001040 t \t[leaky]\nffffffffc0001040 t cut_off\t[leaky]",
      *symbols_);
  EXPECT_EQ(at(0xffff'ffff'c000'1044), "nothing");
}

TEST_F(ProcModulesTest, AWatchReadsTheSymbolsOnlyWhenModulesHaveChanged) {
  std::string modules = "leaky 16384 0 - Live 0xffffffffc0001000 (OE)\n";
  int reads = 0;
  ProcModuleWatch watch(*symbols_, [&](std::string_view name) -> Result<std::string> {
    if (name == "/proc/modules") return modules;
    if (name == "/sys/module/leaky/notes/.note.gnu.build-id")
      return std::string("\x04\0\0\0\x01\0\0\0\x03\0\0\0GNU\0k\0\0\0", 20);
    if (name != "/proc/kallsyms") return Error(ErrorCode::NotFound, std::string(name));
    ++reads;
    return std::string("ffffffffc0001040 t leak_one\t[leaky]\n");
  });
  watch.look();
  watch.look();
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(watch.build_ids(), (BuildIds{{"leaky", "6b"}}));
  modules.clear();
  watch.look();
  EXPECT_EQ(reads, 2);
  EXPECT_EQ(at(0xffff'ffff'c000'1044), "t leak_one+0x4/0xfc0 [leaky]") << "it has gone, and its symbols stay";
}

}  // namespace
}  // namespace orphan::kernel
