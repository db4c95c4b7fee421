// SPDX-License-Identifier: Apache-2.0
#include "logs/symboliser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "debuginfo/test_tree.h"
#include "logs/frame_text.h"
#include "report/format.h"

namespace orphan::logs {
namespace {

constexpr std::string_view kKallsyms =
    "ffffffff81000000 T _stext\n"
    "ffffffff81000100 T do_one_initcall\n"
    "ffffffff81000300 t later\n"
    "ffffffff82000000 T _end\n"
    "ffffffffc01d2000 t widget_probe\t[widget]\n"
    "ffffffffc01d2100 t widget_remove\t[widget]\n";

class SymboliserTest : public debuginfo::TestTree {
 protected:
  static std::vector<Frame> stack_of(std::initializer_list<std::string_view> frames) {
    std::vector<Frame> stack;
    for (std::string_view frame : frames) stack.push_back(read_frame(frame, true).value());
    return stack;
  }
  static std::string named(Symboliser& symboliser, std::initializer_list<std::string_view> frames) {
    std::vector<Frame> stack = stack_of(frames);
    symboliser.name(stack);
    std::string text;
    for (const Frame& frame : stack) text += to_string(frame) + "; ";
    return text;
  }
};

TEST_F(SymboliserTest, FramesWithoutASymbolGetOneOutOfKallsyms_OthersStayAsTheyAre) {
  write("kallsyms", kKallsyms);
  auto symboliser = Symboliser::open({.kallsyms = path("kallsyms")});
  ASSERT_TRUE(symboliser) << symboliser.error().text();
  EXPECT_EQ(named(*symboliser, {"0xffffffff81000120", "0xffffffffc01d2041", "other+0x1/0x2", "0xffffffff00000000"}),
            "do_one_initcall+0x20/0x200; widget_probe+0x41/0x100 [widget]; other+0x1/0x2; 0xffffffff00000000; ");
  auto coverage = symboliser->coverage();
  ASSERT_EQ(coverage.size(), 1u);
  EXPECT_EQ(coverage[0].count, 3u);
}

TEST_F(SymboliserTest, AnAddressBehindAFunctionsLastCallIsTheFunctions) {
  write("kallsyms", kKallsyms);
  auto symboliser = Symboliser::open({.kallsyms = path("kallsyms")});
  ASSERT_TRUE(symboliser);
  EXPECT_EQ(named(*symboliser, {"0xffffffff81000300"}), "do_one_initcall+0x200/0x200; ");
}

TEST_F(SymboliserTest, VmlinuxNamesFrames_WhereverTheKernelLay) {
  build_program("vmlinux");
  auto elf = debuginfo::ElfFile::open_any(path("vmlinux"));
  ASSERT_TRUE(elf) << elf.error().text();
  auto symbols = elf->code_symbols();
  auto outer = std::ranges::find(symbols, "outer", &debuginfo::CodeSymbol::name);
  ASSERT_NE(outer, symbols.end());
  auto symboliser = Symboliser::open({.vmlinux = path("vmlinux")});
  ASSERT_TRUE(symboliser) << symboliser.error().text();
  constexpr u64 kShift = 0xffff'ffff'8000'0000;
  std::string raw = fmt::format("0x{:x}", outer->address + kShift + 4);
  std::string witness = fmt::format("[<{:x}>] outer+0x3/0x10", outer->address + kShift + 3);
  std::string expected = fmt::format("outer+0x4/0x{:x}; ", outer->size_bytes);
  EXPECT_EQ(named(*symboliser, {raw}), raw + "; ");
  EXPECT_EQ(named(*symboliser, {witness, raw}), "outer+0x3/0x10; " + expected);
  EXPECT_EQ(named(*symboliser, {raw}), expected);
  // The next file is of another boot.
  symboliser->begin_file();
  EXPECT_EQ(named(*symboliser, {raw}), raw + "; ");
  EXPECT_EQ(named(*symboliser, {fmt::format("0x{:x}", outer->address + 4)}), expected);
  EXPECT_TRUE(std::ranges::any_of(symboliser->coverage(),
                                  [](const Coverage& entry) { return entry.why.find("KASLR") != std::string::npos; }));
}

// As of the 32-bit kernels whose traces are still read; the compiler's own machine has a mode for it.
TEST_F(SymboliserTest, AVmlinuxOf32BitsNamesFramesAndHasLines) {
  build_program("vmlinux", {"-g", "-m32", "-fno-pic", "-fno-stack-protector"});
  auto elf = debuginfo::ElfFile::open_any(path("vmlinux"));
  ASSERT_TRUE(elf) << elf.error().text();
  auto symbols = elf->code_symbols();
  auto outer = std::ranges::find(symbols, "outer", &debuginfo::CodeSymbol::name);
  ASSERT_NE(outer, symbols.end());
  EXPECT_LT(outer->address, u64{1} << 32);
  auto symboliser = Symboliser::open({.vmlinux = path("vmlinux")});
  ASSERT_TRUE(symboliser) << symboliser.error().text();
  EXPECT_EQ(named(*symboliser, {fmt::format("0x{:x}", outer->address + 4)}),
            fmt::format("outer+0x4/0x{:x}; ", outer->size_bytes));
  std::vector<Frame> stack = stack_of({"use_twins+0x4/0x1000"});
  symboliser->add_lines(stack);
  EXPECT_FALSE(stack.back().file.empty());
}

TEST_F(SymboliserTest, LinesComeFromVmlinuxAndFromModulesBelowADirectory) {
  build_program("vmlinux");
  build_module("tree/drivers/plug-in.ko");
  auto symboliser = Symboliser::open({.vmlinux = path("vmlinux"), .module_directories = {path("tree")}});
  ASSERT_TRUE(symboliser) << symboliser.error().text();
  for (std::string_view module : {"", " [plug_in]"}) {
    bool has_line = false;
    for (u64 offset = 1; offset < 16; ++offset) {
      std::vector<Frame> stack = stack_of({fmt::format("use_twins+0x{:x}/0x1000{}", offset, module)});
      symboliser->add_lines(stack);
      has_line |= stack.back().file.ends_with("drivers/plug.c");
    }
    EXPECT_TRUE(has_line) << module;
  }
  std::vector<Frame> other = stack_of({"use_twins+0x1/0x1000 [elsewhere]"});
  symboliser->add_lines(other);
  EXPECT_TRUE(other.back().file.empty());
  EXPECT_EQ(symboliser->coverage().size(), 2u);
}

TEST_F(SymboliserTest, FilesThatAreNoneAreNamed) {
  write("junk", "junk");
  build_module("module.ko");
  for (SymbolFiles files :
       {SymbolFiles{.kallsyms = path("junk")}, SymbolFiles{.vmlinux = path("junk")}, SymbolFiles{.vmlinux = path("module.ko")},
        SymbolFiles{.kallsyms = path("missing")}, SymbolFiles{.module_directories = {path("missing")}}}) {
    auto symboliser = Symboliser::open(files);
    ASSERT_FALSE(symboliser);
    EXPECT_TRUE(symboliser.error().text().starts_with(root_.string())) << symboliser.error().text();
  }
}

}  // namespace
}  // namespace orphan::logs
