// SPDX-License-Identifier: Apache-2.0
#include "debuginfo/debug_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "debuginfo/test_tree.h"

namespace orphan::debuginfo {
namespace {

constexpr const char* kCallOfAllocate = "innermost drivers/plug.c:8 < middle drivers/plug.c:12 < outer drivers/plug.c:16";

class DebugFileTest : public TestTree {
 protected:
  Result<DebugFile> open(const std::string& name) { return DebugFile::open(path(name), build_id(name)); }

  // The sizes of the symbols of this name, smallest first.
  std::vector<u64> sizes_of(const std::string& name, std::string_view symbol) {
    ElfFile file = ElfFile::open(path(name), build_id(name)).take();
    std::vector<u64> sizes;
    for (const CodeSymbol& found : file.code_symbols()) {
      if (found.name == symbol) sizes.push_back(found.size_bytes);
    }
    std::ranges::sort(sizes);
    return sizes;
  }
  static std::string text_of(const std::vector<Place>& places) {
    std::string text;
    for (const Place& place : places) {
      fmt::format_to(std::back_inserter(text), "{}{} {}:{}", text.empty() ? "" : " < ", place.function, place.file, place.line);
    }
    return text;
  }
  static std::string place_of(const DebugFile& file, const Frame& frame) { return text_of(file.places_of(frame)); }
  // Everything that is said about places in a function.
  std::set<std::string> places_in(const std::string& name, const std::string& symbol) {
    Result<DebugFile> file = open(name);
    if (!file) return {file.error().text()};
    std::set<std::string> places;
    u64 size = sizes_of(name, symbol).at(0);
    for (u64 offset = 1; offset <= size; ++offset) {
      places.insert(place_of(*file, {.address = {}, .symbol = symbol, .offset = offset, .symbol_size = size}));
    }
    return places;
  }
  // For each byte of a few, and some lengths: what is damaged is refused, or tells something or nothing.
  void try_damaged(const std::string& name) {
    std::string whole = read(name);
    std::string id = build_id(name);
    u32 random = 4711;
    for (int round = 0; round < 300; ++round) {
      std::string damaged = whole;
      for (int i = 0; i < 1 + round % 30; ++i) {
        random = random * 1664525 + 1013904223;
        damaged[random % damaged.size()] = static_cast<char>(random >> 24);
      }
      if (round % 3 == 0) damaged.resize(damaged.size() * static_cast<u32>(round) / 300);
      write("damaged", damaged);
      Result<DebugFile> file = DebugFile::open(path("damaged"), id);
      if (!file) continue;
      for (u64 offset = 1; offset < 20; ++offset) {
        for (const char* symbol : {"outer", "twin"}) {
          auto places = file->places_of({.address = {}, .symbol = symbol, .offset = offset, .symbol_size = 40});
          EXPECT_LT(places.size(), 200u);
        }
      }
    }
  }
};

TEST_F(DebugFileTest, OfAModuleItTellsLinesAndInlinedFunctionsInnermostFirst) {
  build_module("plug.ko");
  std::set<std::string> places = places_in("plug.ko", "outer");
  EXPECT_TRUE(places.contains(kCallOfAllocate)) << *places.begin();
  EXPECT_TRUE(places.contains("outer drivers/plug.c:17")) << *places.begin();
}

TEST_F(DebugFileTest, SectionsOfAModule_WhichAllBeginAtZero_AreToldApart) {
  build_module("plug.ko");
  std::set<std::string> lines;
  for (int line = 38; line <= 42; ++line) lines.insert(fmt::format("at_start drivers/plug.c:{}", line));
  for (const std::string& place : places_in("plug.ko", "at_start")) EXPECT_TRUE(lines.contains(place)) << place;
  for (const std::string& place : places_in("plug.ko", "outer"))
    EXPECT_NE(place.find("outer drivers/plug.c:1"), place.npos) << place;
}

TEST_F(DebugFileTest, OfAProgramItTellsTheSame) {
  build_program("vmlinux");
  std::set<std::string> places = places_in("vmlinux", "outer");
  EXPECT_TRUE(places.contains(kCallOfAllocate)) << *places.begin();
  EXPECT_TRUE(places.contains("outer drivers/plug.c:17")) << *places.begin();
}

TEST_F(DebugFileTest, ItReadsDwarf4And5AndCompressedSections) {
  for (const char* option : {"-gdwarf-4", "-gdwarf-5", "-gz=zlib"}) {
    build_module("plug.ko", {"-g", option});
    EXPECT_TRUE(places_in("plug.ko", "outer").contains(kCallOfAllocate)) << option;
    build_program("vmlinux", {"-g", option});
    EXPECT_TRUE(places_in("vmlinux", "outer").contains(kCallOfAllocate)) << option;
  }
}

TEST_F(DebugFileTest, WithoutInlinedFunctionsTheLineAloneIsTold) {
  build_module("plug.ko", {"-g1"});
  EXPECT_FALSE(places_in("plug.ko", "last").contains(""));
}

TEST_F(DebugFileTest, TheLineIsThatOfTheCall_NotOfWhereItReturnsTo) {
  build_module("plug.ko");
  DebugFile file = open("plug.ko").take();
  u64 size = sizes_of("plug.ko", "last").at(0);
  // stop() does not return: the address behind its call is that of another function.
  Frame frame{.address = {}, .symbol = "last", .offset = size, .symbol_size = size};
  EXPECT_EQ(place_of(file, frame), "last drivers/plug.c:22");
  frame.offset = size + 1;
  EXPECT_EQ(place_of(file, frame), "");
  frame.offset = 0;
  EXPECT_EQ(place_of(file, frame), "last drivers/plug.c:20");
}

TEST_F(DebugFileTest, SymbolsOfTheSameNameAreToldApartByTheirSize) {
  build_module("plug.ko");
  DebugFile file = open("plug.ko").take();
  std::vector<u64> sizes = sizes_of("plug.ko", "twin");
  ASSERT_EQ(sizes.size(), 2u);
  ASSERT_GT(sizes[1], sizes[0] + 64);
  auto place = [&](u64 size_bytes) {
    std::vector<Place> places = file.places_of({.address = {}, .symbol = "twin", .offset = 1, .symbol_size = size_bytes});
    return places.empty() ? "" : places.back().file;
  };
  EXPECT_EQ(place(sizes[0]), "drivers/plug.c");
  // The kernel's symbols reach to the next one.
  EXPECT_EQ(place(sizes[0] + 15), "drivers/plug.c");
  EXPECT_EQ(place(sizes[1]), "drivers/core.c");
  EXPECT_EQ(place(sizes[1] - 1), "");
  EXPECT_EQ(place(sizes[1] + 64), "");
  EXPECT_EQ(place(0), "");
}

TEST_F(DebugFileTest, SymbolsOfTheSameNameAndSizeAreNotGuessedBetween) {
  build_module("plug.ko");
  DebugFile file = open("plug.ko").take();
  std::vector<u64> sizes = sizes_of("plug.ko", "likeness");
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_EQ(place_of(file, {.address = {}, .symbol = "likeness", .offset = 1, .symbol_size = sizes[0]}), "");
}

TEST_F(DebugFileTest, OfASymbolThatIsNotInTheFileNothingIsTold) {
  build_module("plug.ko");
  DebugFile file = open("plug.ko").take();
  EXPECT_EQ(place_of(file, {.address = {}, .symbol = "nobody", .offset = 1, .symbol_size = 16}), "");
  EXPECT_EQ(place_of(file, {.address = {}, .offset = 1, .symbol_size = 16}), "");
  EXPECT_EQ(place_of(file, {.address = {}, .symbol = "kept", .offset = 1, .symbol_size = 8}), "");
}

TEST_F(DebugFileTest, ASeparateFileOfDebugInformationIsAsGood) {
  for (const char* name : {"plug.ko", "vmlinux"}) {
    std::string(name) == "vmlinux" ? build_program(name) : build_module(name);
    run({"objcopy", "--only-keep-debug", path(name), path("separate.debug")});
    EXPECT_EQ(build_id("separate.debug"), build_id(name));
    EXPECT_TRUE(places_in("separate.debug", "outer").contains(kCallOfAllocate)) << name;
  }
}

TEST_F(DebugFileTest, AFileThatTheUserNamesIsTakenWhateverItsBuild_IfItTellsLines) {
  build_module("plug.ko");
  build_module("stripped.ko", {"-g0"});
  Result<DebugFile> file = DebugFile::open_any(path("plug.ko"));
  ASSERT_TRUE(file) << file.error().text();
  Result<DebugFile> same = open("plug.ko");
  ASSERT_TRUE(same);
  u64 size = sizes_of("plug.ko", "last").at(0);
  Frame frame{.address = {}, .symbol = "last", .offset = size, .symbol_size = size};
  EXPECT_NE(place_of(*file, frame), "");
  EXPECT_EQ(place_of(*file, frame), place_of(*same, frame));
  Result<DebugFile> stripped = DebugFile::open_any(path("stripped.ko"));
  ASSERT_FALSE(stripped);
  EXPECT_EQ(stripped.error().text(), path("stripped.ko") + ": it has no debug information");
}

TEST_F(DebugFileTest, AFileOfAnotherBuildIsRefused) {
  build_module("plug.ko");
  EXPECT_TRUE(open("plug.ko"));
  Result<DebugFile> file = DebugFile::open(path("plug.ko"), "0123456789abcdef");
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().text().find("plug.ko: its build-id is "), std::string::npos) << file.error().text();
  EXPECT_NE(file.error().text().find(", not 0123456789abcdef"), std::string::npos) << file.error().text();
}

TEST_F(DebugFileTest, AFileWithoutDebugInformationOrSymbolsIsRefused) {
  build_module("plug.ko");
  run({"objcopy", "--strip-debug", path("plug.ko"), path("stripped.ko")});
  Result<DebugFile> file = open("stripped.ko");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().text(), path("stripped.ko") + ": it has no debug information");
  build_program("vmlinux");
  run({"objcopy", "--strip-all", "--keep-section=.debug*", path("vmlinux"), path("nameless")});
  file = open("nameless");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().text(), path("nameless") + ": it has no symbols");
}

TEST_F(DebugFileTest, WhatIsNoFileOfItsKindIsRefused) {
  write("garbage", std::string(5000, 'x'));
  write("empty", "");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  for (const char* name : {"garbage", "empty", "pipe", "linux"}) {
    Result<DebugFile> file = DebugFile::open(path(name), "abcd");
    ASSERT_FALSE(file) << name;
    EXPECT_EQ(file.error().code(), ErrorCode::BadData) << name;
  }
  EXPECT_EQ(DebugFile::open(path("nowhere"), "abcd").error().code(), ErrorCode::NotFound);
}

TEST_F(DebugFileTest, DamagedFilesDoNoHarm) {
  build_module("plug.ko");
  try_damaged("plug.ko");
  build_program("vmlinux");
  try_damaged("vmlinux");
}

}  // namespace
}  // namespace orphan::debuginfo
