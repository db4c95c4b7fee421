// SPDX-License-Identifier: Apache-2.0
#include "report/pprof.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "report/decoded_profile.h"
#include "report/sample_report.h"

namespace orphan {
namespace {

using test::DecodedProfile;

DecodedProfile decoded(const Report& report) {
  return test::decoded_profile(to_pprof(report));
}

std::vector<std::string> functions_of(const DecodedProfile& profile, std::size_t sample) {
  std::vector<std::string> lines;
  for (u64 id : profile.samples.at(sample).locations) {
    const DecodedProfile::Location& location = profile.locations.at(id);
    lines.insert(lines.end(), location.lines.begin(), location.lines.end());
  }
  return lines;
}

TEST(Pprof, SaysOfWhatItIs) {
  DecodedProfile profile = decoded(test::sample_report());
  EXPECT_EQ(profile.types, (std::vector<std::string>{"leaked_objects count", "leaked_space bytes"}));
  EXPECT_EQ(profile.default_type, "leaked_space");
  EXPECT_EQ(profile.time_nanos, 1'700'000'000'000'000'000);
  EXPECT_EQ(profile.duration_nanos, 12'340'000'000);
  EXPECT_EQ(profile.comments, (std::vector<std::string>{"kernel 6.1.0-56-cloud-amd64, orphan 0.1.0"}));
}

TEST(Pprof, TheFirstTextIsTheEmptyOne_AndNoneStandsThereTwice) {
  DecodedProfile profile = decoded(test::sample_report());
  ASSERT_FALSE(profile.texts.empty());
  EXPECT_EQ(profile.texts[0], "");
  EXPECT_EQ(std::set<std::string>(profile.texts.begin(), profile.texts.end()).size(), profile.texts.size());
}

TEST(Pprof, TheSamplesAddUpToWhatIsLeaked_PagesIncluded) {
  Report report = test::sample_report();
  report.pages = test::page_report();
  DecodedProfile profile = decoded(report);
  ASSERT_EQ(profile.samples.size(), 4u);
  Tally sum;
  for (const DecodedProfile::Sample& sample : profile.samples) {
    ASSERT_EQ(sample.values.size(), 2u);
    sum += {static_cast<u64>(sample.values[0]), static_cast<u64>(sample.values[1])};
  }
  Tally leaked = report.outcome.leaked;
  leaked += report.pages->leaked;
  EXPECT_EQ(sum, leaked);
  EXPECT_EQ(profile.samples[3].labels.at("kind"), "pages");
}

TEST(Pprof, AStackIsLocations_InnermostFirst) {
  DecodedProfile profile = decoded(test::sample_report());
  ASSERT_EQ(profile.samples[0].locations.size(), 3u);
  EXPECT_EQ(functions_of(profile, 0),
            (std::vector<std::string>{"widget_probe drivers/misc/widget.c:123", "do_one_initcall :0", "0xffffffffc01d2036 :0"}));
  const DecodedProfile::Location& unknown = profile.locations.at(profile.samples[0].locations[2]);
  EXPECT_EQ(unknown.address, 0xffffffffc01d2036u);
  EXPECT_EQ(unknown.mapping_id, 0u);
}

TEST(Pprof, FunctionsThatAreInlinedAreLinesOfOneLocation_InnermostFirst) {
  DecodedProfile profile = decoded(test::sample_report());
  ASSERT_EQ(profile.samples[1].locations.size(), 1u);
  EXPECT_EQ(functions_of(profile, 1),
            (std::vector<std::string>{"ring_pages drivers/misc/ring.h:88", "widget_ring_alloc drivers/misc/widget.c:140"}));
}

TEST(Pprof, AGroupWithoutAStackIsNotLost) {
  DecodedProfile profile = decoded(test::sample_report());
  EXPECT_EQ(functions_of(profile, 2), (std::vector<std::string>{"[per-cpu, no stack] :0"}));
  EXPECT_EQ(profile.samples[2].values, (std::vector<i64>{2, 128}));
}

TEST(Pprof, InlinedFramesWithoutTheirOuterOneAreALocationStill) {
  Report report = test::sample_report();
  report.leaks[1].stack.pop_back();
  DecodedProfile profile = decoded(report);
  ASSERT_EQ(profile.samples[1].locations.size(), 1u);
  EXPECT_EQ(functions_of(profile, 1), (std::vector<std::string>{"ring_pages drivers/misc/ring.h:88"}));
}

TEST(Pprof, TheSamePlaceIsOneLocation_AnotherLineOfItIsNot) {
  Report report = test::sample_report();
  std::size_t before = decoded(report).locations.size();
  report.leaks.push_back(report.leaks[0]);
  EXPECT_EQ(decoded(report).locations.size(), before);
  report.leaks.back().stack[0].line += 1;
  EXPECT_EQ(decoded(report).locations.size(), before + 1);
}

TEST(Pprof, ALocationLiesInTheKernelOrAModule_WithItsBuildId) {
  DecodedProfile profile = decoded(test::sample_report());
  auto mapping_at = [&](std::size_t frame) {
    return profile.mappings.at(profile.locations.at(profile.samples[0].locations[frame]).mapping_id);
  };
  ASSERT_EQ(profile.mappings.size(), 2u);
  EXPECT_EQ(profile.mappings.at(1).filename, "[kernel.kallsyms]");
  EXPECT_EQ(mapping_at(0).filename, "[widget]");
  EXPECT_EQ(mapping_at(0).build_id, "91fe27");
  EXPECT_TRUE(mapping_at(0).has_functions && mapping_at(0).has_filenames && mapping_at(0).has_line_numbers);
  EXPECT_TRUE(mapping_at(0).has_inline_frames);
  EXPECT_EQ(mapping_at(1).filename, "[kernel.kallsyms]");
  EXPECT_EQ(mapping_at(1).build_id, "3a0b2c4d");
  EXPECT_TRUE(mapping_at(1).has_functions);
  EXPECT_FALSE(mapping_at(1).has_filenames || mapping_at(1).has_line_numbers || mapping_at(1).has_inline_frames);
}

TEST(Pprof, AModuleWhoseSymbolsAreGoneHasNotAllFunctions_AndNoBuildIdWhereItIsNotKnown) {
  Report report = test::sample_report();
  report.leaks[0].stack[2].module = "gone";
  DecodedProfile profile = decoded(report);
  ASSERT_EQ(profile.mappings.size(), 3u);
  EXPECT_EQ(profile.mappings.at(3).filename, "[gone]");
  EXPECT_EQ(profile.mappings.at(3).build_id, "");
  EXPECT_FALSE(profile.mappings.at(3).has_functions);
}

TEST(Pprof, LabelsSayWhatTheBlocksAre) {
  DecodedProfile profile = decoded(test::sample_report());
  EXPECT_EQ(profile.samples[0].labels,
            (std::map<std::string, std::string>{
                {"kind", "slab"}, {"cache", "kmalloc-128"}, {"type", "struct widget"}, {"bytes", "128 bytes"}}));
  EXPECT_FALSE(profile.samples[1].labels.contains("type"));
}

TEST(Pprof, NamesAreEscaped) {
  Report report = test::sample_report();
  report.leaks[0].stack[0].symbol = "a\xff\n";
  report.leaks[0].cache = std::string("b\0c", 3);
  DecodedProfile profile = decoded(report);
  EXPECT_EQ(functions_of(profile, 0)[0], "a\\xff\\n drivers/misc/widget.c:123");
  EXPECT_EQ(profile.samples[0].labels.at("cache"), "b\\x00c");
}

TEST(Pprof, NoLeaksAreAProfileToo) {
  DecodedProfile profile = decoded(Report{});
  EXPECT_TRUE(profile.samples.empty());
  EXPECT_EQ(profile.types.size(), 2u);
  EXPECT_EQ(profile.mappings.size(), 1u);
}

TEST(Pprof, AProfileLargerThanAPieceOfTheCompressorArrivesWhole) {
  Report report = test::sample_report();
  for (u64 i = 0; i < 12'000; ++i) {
    report.leaks.push_back(test::slab_leak());
    report.leaks.back().stack[0].offset = i;
    report.leaks.back().stack[0].symbol = "function_" + std::to_string(i * 0x9e3779b97f4a7c15u);
  }
  std::string packed = to_pprof(report);
  EXPECT_GT(test::gunzipped(packed).size(), std::size_t{1} << 20);
  EXPECT_EQ(test::decoded_profile(packed).samples.size(), 12'003u);
  packed.pop_back();
  EXPECT_EQ(test::gunzipped(packed), "") << "the end is missing";
}

}  // namespace
}  // namespace orphan
