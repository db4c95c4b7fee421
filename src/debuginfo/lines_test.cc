// SPDX-License-Identifier: Apache-2.0
#include "debuginfo/lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "debuginfo/test_tree.h"

namespace orphan::debuginfo {
namespace {

class LinesTest : public TestTree {
 protected:
  // Of last(), whose last instruction is the call in line 22.
  static Frame last_of(const std::string& module) {
    return {.address = Addr{0x1234}, .symbol = "last", .offset = 2, .symbol_size = 32, .module = module};
  }
  // Frames for each place in outer(), where the inlined functions are.
  static std::vector<Frame> all_of_outer(const std::string& module) {
    std::vector<Frame> stack;
    for (u64 offset = 1; offset < 24; ++offset) {
      stack.push_back(
          {.address = Addr{0x1000 + offset}, .symbol = "outer", .offset = offset, .symbol_size = 64, .module = module});
    }
    return stack;
  }
  Options options() const { return {.release = "6.1", .directories = {path("mine")}, .system_root = path("system")}; }
  ImageLines try_image(const Image& image) {
    std::vector<Frame> stack{last_of(image.module)};
    std::vector<ImageLines> results = add_lines(stack, {image}, options());
    EXPECT_EQ(stack.size(), 1u);
    EXPECT_EQ(results.size(), 1u);
    EXPECT_EQ(stack.at(0).file.empty(), results.at(0).path.empty());
    return results.at(0);
  }
};

TEST_F(LinesTest, FramesOfTheKernelAndOfAModuleGetTheirLines) {
  build_program("system/usr/lib/debug/boot/vmlinux-6.1");
  build_module("system/lib/modules/6.1/extra/the-plug.ko");
  std::vector<Image> images{{.build_id = build_id("system/usr/lib/debug/boot/vmlinux-6.1")},
                            {.module = "the_plug", .build_id = build_id("system/lib/modules/6.1/extra/the-plug.ko")}};
  std::vector<Frame> stack{last_of("the_plug"), last_of(""), {.address = Addr{0x99}}};
  std::vector<ImageLines> results = add_lines(stack, images, options());
  ASSERT_EQ(stack.size(), 3u);
  for (const Frame& frame : {stack[0], stack[1]}) {
    EXPECT_EQ(frame.file, "drivers/plug.c");
    EXPECT_GE(frame.line, 20u);
    EXPECT_LE(frame.line, 22u);
    EXPECT_EQ(frame.symbol, "last");
    EXPECT_EQ(frame.offset, 2u);
    EXPECT_FALSE(frame.is_inlined);
  }
  EXPECT_EQ(stack[2].file, "");
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].image.module, "");
  EXPECT_EQ(results[0].path, path("system/usr/lib/debug/boot/vmlinux-6.1"));
  EXPECT_EQ(results[1].image.module, "the_plug");
  EXPECT_EQ(results[1].path, path("system/lib/modules/6.1/extra/the-plug.ko"));
  EXPECT_EQ(results[1].frames, 1u);
  EXPECT_EQ(results[1].frames_without_line, 0u);
}

TEST_F(LinesTest, InlinedFunctionsGetFramesBeforeTheOneTheyArePartOf) {
  build_module("mine/plug.ko");
  std::vector<Frame> stack = all_of_outer("plug");
  std::size_t count = stack.size();
  std::vector<ImageLines> results = add_lines(stack, {{.module = "plug", .build_id = build_id("mine/plug.ko")}}, options());
  auto inner = std::ranges::find(stack, "innermost", &Frame::symbol);
  ASSERT_GE(stack.end() - inner, 3);
  EXPECT_EQ(inner[1].symbol, "middle");
  EXPECT_EQ(inner[2].symbol, "outer");
  EXPECT_EQ(inner[1].line, 12u);
  EXPECT_EQ(inner[2].line, 16u);
  for (int i : {0, 1}) {
    EXPECT_TRUE(inner[i].is_inlined);
    EXPECT_EQ(inner[i].address, inner[2].address);
    EXPECT_EQ(inner[i].offset, 0u);
    EXPECT_EQ(inner[i].module, "plug");
    EXPECT_EQ(inner[i].file, "drivers/plug.c");
  }
  EXPECT_FALSE(inner[2].is_inlined);
  EXPECT_EQ(results.at(0).frames, count);

  // What has been done is not done again.
  std::vector<Frame> again = stack;
  add_lines(again, {{.module = "plug", .build_id = build_id("mine/plug.ko")}}, options());
  EXPECT_EQ(again.size(), stack.size());
}

TEST_F(LinesTest, AFileOfAnotherBuildIsNotUsed_NorAnyWhereTheBuildIsNotKnown) {
  build_module("mine/plug.ko");
  EXPECT_EQ(try_image({.module = "plug", .build_id = build_id("mine/plug.ko")}).path, path("mine/plug.ko"));
  ImageLines other = try_image({.module = "plug", .build_id = "0123456789abcdef0123"});
  EXPECT_EQ(other.path, "");
  EXPECT_EQ(other.reason, path("mine/plug.ko") + ": its build-id is " + build_id("mine/plug.ko") + ", not 0123456789abcdef0123");
  ImageLines unknown = try_image({.module = "plug"});
  EXPECT_EQ(unknown.path, "");
  EXPECT_EQ(unknown.reason, "its build-id is not known");
  EXPECT_EQ(unknown.frames_without_line, 1u);
  EXPECT_EQ(try_image({.module = "gone", .build_id = "0123456789abcdef0123"}).reason, "no file of it was found");
}

TEST_F(LinesTest, AnImageThatIsNotListedHasNoLines) {
  build_module("mine/plug.ko");
  std::vector<Frame> stack{last_of("plug")};
  std::vector<ImageLines> results = add_lines(stack, {{.module = "other", .build_id = build_id("mine/plug.ko")}}, options());
  EXPECT_EQ(stack.at(0).file, "");
  EXPECT_EQ(results.at(0).reason, "its build-id is not known");
}

TEST_F(LinesTest, TheUsersFolderGoesFirst_AndWhatIsNotInItComesFromTheSystem) {
  build_module("system/lib/modules/6.1/plug.ko");
  Image image{.module = "plug", .build_id = build_id("system/lib/modules/6.1/plug.ko")};
  EXPECT_EQ(try_image(image).path, path("system/lib/modules/6.1/plug.ko"));
  write("mine/plug.ko", "of no use");
  EXPECT_EQ(try_image(image).path, path("system/lib/modules/6.1/plug.ko"));
  write("mine/plug.ko", read("system/lib/modules/6.1/plug.ko"));
  EXPECT_EQ(try_image(image).path, path("mine/plug.ko"));
}

TEST_F(LinesTest, ASeparateFileIsFoundByBuildId_WhereTheModuleItselfIsStripped) {
  build_module("plug.ko");
  std::string id = build_id("plug.ko");
  write("system/lib/modules/6.1/here", "");
  run({"objcopy", "--strip-debug", path("plug.ko"), path("system/lib/modules/6.1/plug.ko")});
  ImageLines without = try_image({.module = "plug", .build_id = id});
  EXPECT_EQ(without.path, "");
  EXPECT_EQ(without.reason, path("system/lib/modules/6.1/plug.ko") + ": it has no debug information");

  std::string separate = "system/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug";
  write(separate, "");
  run({"objcopy", "--only-keep-debug", path("plug.ko"), path(separate)});
  EXPECT_EQ(try_image({.module = "plug", .build_id = id}).path, path(separate));
}

TEST_F(LinesTest, AFrameThatHasALineKeepsIt) {
  build_module("mine/plug.ko");
  std::vector<Frame> stack{last_of("plug")};
  stack[0].file = "known.c";
  stack[0].line = 7;
  add_lines(stack, {{.module = "plug", .build_id = build_id("mine/plug.ko")}}, options());
  ASSERT_EQ(stack.size(), 1u);
  EXPECT_EQ(stack[0].file, "known.c");
  EXPECT_EQ(stack[0].line, 7u);
}

TEST_F(LinesTest, AReportGetsThemInAllItsGroups) {
  build_module("mine/plug.ko");
  Report report;
  report.images = {{.module = "plug", .build_id = build_id("mine/plug.ko")}};
  for (std::vector<Leak>* groups : {&report.leaks, &report.weak, &report.pages.emplace().groups}) {
    groups->emplace_back().stack = {last_of("plug")};
  }
  std::vector<ImageLines> results = add_lines(report, options());
  EXPECT_EQ(report.leaks[0].stack[0].file, "drivers/plug.c");
  EXPECT_EQ(report.weak[0].stack[0].file, "drivers/plug.c");
  EXPECT_EQ(report.pages->groups[0].stack[0].file, "drivers/plug.c");
  EXPECT_EQ(results.at(0).frames, 3u);
}

}  // namespace
}  // namespace orphan::debuginfo
