// SPDX-License-Identifier: Apache-2.0
#include "report/outstanding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "base/fd.h"
#include "report/decoded_profile.h"
#include "report/json.h"
#include "report/sample_report.h"

namespace orphan {
namespace {

using Json = nlohmann::json;

Json parsed(const OutstandingReport& report) {
  return Json::parse(to_json(report), nullptr, false);
}

constexpr std::string_view kSampleText = R"(101 blocks outstanding, 20.5 KiB, in 2 groups; 1,234,567 allocations seen
target: kernel 6.1.0-56-cloud-amd64, 2023-11-14 22:13:20 UTC, orphan 0.1.0
tracked: 720.5 s; what is younger than 5 s is left out

   COUNT       BYTES        SIZE  CACHE
     100    12.5 KiB       128 B  kmalloc-128
            stack    widget_probe+0x41/0x1df [widget] drivers/misc/widget.c:123
                     do_one_initcall+0x59/0x220
                     0xffffffffc01d2036
            by       insmod (97), sh (3); first 713 s ago, last 6 s ago, 0.14 a second

       1     8.0 KiB      8192 B  vmalloc
            caller     ring_pages (inlined) drivers/misc/ring.h:88
                     widget_ring_alloc+0x27/0x90 [widget] drivers/misc/widget.c:140
            by       42 s ago

WHAT THIS CANNOT KNOW
  if a block is leaked: it was allocated and not freed, and nothing looked for who still points to it. What is
  kept on purpose (caches, what was opened or loaded meanwhile) is listed, too
  what was allocated before the tracking began
  allocations that were not noted (12): their CPU was in the tracker's own code

NOTES
  stacks (210): in 48.0 MiB of notes
)";

TEST(OutstandingText, OfASampleReport) {
  EXPECT_EQ(to_text(test::sample_outstanding()), kSampleText);
}

TEST(OutstandingText, WithoutAnythingOutstandingThereIsNoTable_AndWhatItCannotKnowIsSaidAllTheSame) {
  std::string text = to_text(OutstandingReport{.allocations = 1});
  EXPECT_TRUE(text.starts_with("0 blocks outstanding, 0 B, in 0 groups; 1 allocation seen\n")) << text;
  EXPECT_EQ(text.find("CACHE"), std::string::npos);
  EXPECT_EQ(text.find("left out"), std::string::npos);
  EXPECT_EQ(text.find("NOTES"), std::string::npos);
  EXPECT_NE(text.find("\nWHAT THIS CANNOT KNOW\n  if a block is leaked"), std::string::npos);
}

// The fields that only a scan fills are not printed, whatever stands in them.
TEST(OutstandingText, SaysNothingThatOnlyAScanKnows) {
  OutstandingReport report = test::sample_outstanding();
  std::string text = to_text(report);
  Json json = parsed(report);
  Leak& group = report.groups[0];
  group.confidence = Confidence::Certain;
  group.confidence_reason = "sure";
  group.heads = 7;
  group.retained = {9, 900};
  group.evidence = {{Evidence::Kind::String, 0, "leak me", 100}};
  group.objects = {{.address = Addr{0xffff888104c2d000}, .size_bytes = 128, .contents = test::bytes_of("leak me", 128)}};
  EXPECT_EQ(to_text(report), text);
  EXPECT_EQ(parsed(report), json);
}

TEST(OutstandingText, NothingOfTheTargetReachesTheTerminalRaw) {
  std::string hostile = "\x1b]0;owned\x07\n\xff\"";
  OutstandingReport report = test::sample_outstanding();
  report.target = report.version = hostile;
  Leak& group = report.groups[0];
  group.cache = group.type = group.type_reason = group.stack[0].symbol = group.stack[0].file = group.comms[0].text = hostile;
  report.coverage[0].what = report.coverage[1].why = hostile;
  for (const std::string& text : {to_text(report), to_json(report)})
    EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
}

TEST(OutstandingJson, SaysWhatIsKnown) {
  Json json = parsed(test::sample_outstanding());
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["seconds"], 720.5);
  EXPECT_EQ(json["min_age_s"], 5);
  EXPECT_EQ(json["allocations"], 1'234'567);
  EXPECT_EQ(json["outstanding"], (Json{{"count", 101}, {"bytes", 20'992}}));
  EXPECT_EQ(json["images"].size(), 2u);
  EXPECT_EQ(json["coverage"].size(), 2u);
  ASSERT_EQ(json["groups"].size(), 2u);
  Json group = json["groups"][0];
  EXPECT_EQ(group["id"], leak_id(test::slab_leak()));
  EXPECT_EQ(group["cache"], "kmalloc-128");
  EXPECT_EQ(group["traced"], true);
  EXPECT_EQ(group["allocated"]["first_s"], 713.2);
  EXPECT_EQ(group["comms"][1]["comm"], "sh");
  EXPECT_EQ(group["stack"].size(), 3u);
  EXPECT_TRUE(group["type"].is_null());
  EXPECT_EQ(json["groups"][1]["stack"][0]["inlined"], true);
}

TEST(OutstandingJson, TheGroupsAddUp) {
  Json json = parsed(test::sample_outstanding());
  u64 count = 0, bytes = 0;
  for (const Json& group : json["groups"]) {
    count += group["count"].get<u64>();
    bytes += group["bytes"].get<u64>();
  }
  EXPECT_EQ(json["outstanding"]["count"], count);
  EXPECT_EQ(json["outstanding"]["bytes"], bytes);
}

// Every key of `json` and below it.
void collect_keys(const Json& json, std::set<std::string>& keys) {
  for (const auto& [key, value] : json.items()) {
    if (json.is_object()) keys.insert(key);
    if (value.is_structured()) collect_keys(value, keys);
  }
}

TEST(OutstandingJson, EveryFieldIsDescribedInTheDocumentation) {
  Result<std::string> document = read_file(ORPHAN_DOCS_DIR "/json.md");
  ASSERT_TRUE(document);
  Json json = parsed(test::sample_outstanding());
  // Its own fields in its own part, and those that it shares with a leak anywhere.
  std::string own = (*document).substr((*document).find("\n# Outstanding allocations"));
  own = own.substr(0, own.find("\n# ", 1));
  for (const auto& [key, value] : json.items()) EXPECT_NE(own.find("`" + key + "`"), std::string::npos) << key;
  for (const auto& [key, value] : json["groups"][0].items()) EXPECT_NE(own.find("`" + key + "`"), std::string::npos) << key;
  std::set<std::string> keys;
  collect_keys(json, keys);
  EXPECT_GT(keys.size(), 30u);
  for (const std::string& key : keys) EXPECT_NE((*document).find("`" + key + "`"), std::string::npos) << key;
}

TEST(OutstandingPprof, HasSampleTypesOfItsOwn_AndTheSameSums) {
  test::DecodedProfile profile = test::decoded_profile(to_pprof(test::sample_outstanding()));
  EXPECT_EQ(profile.types, (std::vector<std::string>{"outstanding_objects count", "outstanding_space bytes"}));
  EXPECT_EQ(profile.default_type, "outstanding_space");
  ASSERT_EQ(profile.samples.size(), 2u);
  EXPECT_EQ(profile.samples[0].values, (std::vector<i64>{100, 12'800}));
  EXPECT_EQ(profile.samples[1].values, (std::vector<i64>{1, 8'192}));
  EXPECT_EQ(profile.duration_nanos, 720'500'000'000);
}

}  // namespace
}  // namespace orphan
