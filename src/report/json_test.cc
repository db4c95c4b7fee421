// SPDX-License-Identifier: Apache-2.0
#include "report/json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/fd.h"
#include "report/sample_report.h"

namespace orphan {
namespace {

using Json = nlohmann::json;

Json parsed(const Report& report) {
  return Json::parse(to_json(report), nullptr, false);
}

TEST(Json, ParsesAndHoldsTheDesignsKeys) {
  Json json = parsed(test::sample_report());
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["target"], "kernel 6.1.0-56-cloud-amd64");
  EXPECT_EQ(json["scans"], 3);
  EXPECT_EQ(json["examined"]["blocks"], 1'234'769);
  EXPECT_EQ(json["examined"]["bytes"], 1'181'758'847);
  EXPECT_EQ(json["examined"]["by_kind"]["large-kmalloc"]["bytes"], 100'000'000);
  EXPECT_EQ(json["examined"]["roots"][1]["kind"], "task stacks");
  EXPECT_EQ(json["coverage"][1]["what"], "unreadable pages");
  EXPECT_EQ(json["suppressed"][1]["rule"], "xarray");
  EXPECT_EQ(json["leaks"].size(), 3u);
}

TEST(Json, ALeakSaysWhatIsKnownOfIt) {
  Json leak = parsed(test::sample_report())["leaks"][0];
  EXPECT_EQ(leak["count"], 100);
  EXPECT_EQ(leak["bytes"], 12'800);
  EXPECT_EQ(leak["kind"], "slab");
  EXPECT_EQ(leak["cache"], "kmalloc-128");
  EXPECT_EQ(leak["aliases"].size(), 5u);
  EXPECT_EQ(leak["type"], "struct widget");
  EXPECT_EQ(leak["first_seen"], 1'700'000'000);
  EXPECT_EQ(leak["objects_omitted"], 96);
  EXPECT_EQ(leak["confidence"]["level"], "certain");
  EXPECT_EQ(leak["confidence"]["reason"], "unreferenced, unchanged in all 3 passes, 12 s");
  EXPECT_EQ(leak["evidence"][0]["text"], "leak me");
  EXPECT_EQ(leak["stack"][0], Json::parse(R"({"address": "0xffffffffc01d2041", "symbol": "widget_probe", "offset": 65,
    "symbol_size": 479, "module": "widget", "file": "drivers/misc/widget.c", "line": 123, "inlined": false})",
                                          nullptr, false));
  Json object = leak["objects"][1];
  EXPECT_EQ(object["address"], "0xffff888104c2d080");
  EXPECT_EQ(object["head"], object["address"]);
  EXPECT_EQ(object["checksum"], "0xed65d963");
  EXPECT_EQ(object["hex"], "6c65616b206d65" + std::string(2 * 121, '0'));
}

TEST(Json, WhatATrackerKnowsOfAGroupIsThere) {
  Json json = parsed(test::sample_report());
  EXPECT_EQ(json["release"], "6.1.0-56-cloud-amd64");
  EXPECT_EQ(
      json["images"],
      Json::parse(R"([{"module": null, "build_id": "3a0b2c4d"}, {"module": "widget", "build_id": "91fe27"}])", nullptr, false));
  Json leak = json["leaks"][0];
  EXPECT_EQ(leak["traced"], true);
  EXPECT_EQ(leak["comms"], Json::parse(R"([{"comm": "insmod", "count": 97}, {"comm": "sh", "count": 3}])", nullptr, false));
  EXPECT_EQ(leak["allocated"]["count"], 100);
  EXPECT_EQ(leak["allocated"]["first_s"], 713.2);
  EXPECT_EQ(leak["allocated"]["last_s"], 6);
  EXPECT_NEAR(leak["allocated"]["rate_s"].get<double>(), 99 / 707.2, 1e-9);
  Report report = test::sample_report();
  report.leaks[0].times->last_s = report.leaks[0].times->first_s;
  EXPECT_TRUE(parsed(report)["leaks"][0]["allocated"]["rate_s"].is_null());
}

TEST(Json, AnInlinedFrameHasNoOffset) {
  Json stack = parsed(test::sample_report())["leaks"][1]["stack"];
  EXPECT_EQ(stack[0], Json::parse(R"({"address": "0xffffffffc01d2077", "symbol": "ring_pages", "offset": null,
    "symbol_size": null, "module": "widget", "file": "drivers/misc/ring.h", "line": 88, "inlined": true})",
                                  nullptr, false));
  EXPECT_EQ(stack[1]["offset"], 0x27);
  EXPECT_EQ(stack[1]["inlined"], false);
}

TEST(Json, AWeaklyReferencedBlockSaysWhatRefersToIt) {
  Json weak = parsed(test::sample_report())["weak"];
  ASSERT_EQ(weak.size(), 2u);
  EXPECT_EQ(weak[0]["cache"], "kmalloc-2k");
  EXPECT_EQ(weak[0]["referrers"], Json::parse(R"([{"object": "0xffff888104c2e000", "form": "physical-address",
    "at": "0xffffffffc01d4008", "word": "0x104c2e000", "place": "module widget: ring+0x8"}])",
                                              nullptr, false));
  EXPECT_EQ(weak[1]["referrers"].size(), 0u);
}

TEST(Json, WhoAllocatedWhoIsChargedAndWhereItPointedAreThere) {
  Report report = test::sample_report();
  Leak& known = report.leaks[0];
  known.type_reason = "its size fits";
  known.cgroups = {{"/a", 3}, {"/b", 1}};
  known.evidence = {{Evidence::Kind::Block, 8, "dentry+0x0", 100, "d_parent"}, {Evidence::Kind::List, 16, "empty", 1}};
  known.stack = {{.address = {}, .symbol = "widget_probe", .module = "widget", .file = "widget.c", .line = 12}};
  known.objects[0].pid = 12;
  known.objects[0].comm = "insmod";
  known.objects[0].age_s = 61.5;
  known.objects[0].cgroup = "/a";
  Json leak = parsed(report)["leaks"][0];
  EXPECT_EQ(leak["type_reason"], "its size fits");
  EXPECT_EQ(leak["cgroups"], Json::parse(R"([{"cgroup": "/a", "count": 3}, {"cgroup": "/b", "count": 1}])", nullptr, false));
  EXPECT_EQ(leak["evidence"][0], Json::parse(R"({"kind": "block", "offset": 8, "text": "dentry+0x0", "count": 100,
    "field": "d_parent"})",
                                             nullptr, false));
  EXPECT_EQ(leak["evidence"][1]["kind"], "list");
  EXPECT_TRUE(leak["evidence"][1]["field"].is_null());
  EXPECT_TRUE(leak["stack"][0]["address"].is_null() && leak["stack"][0]["offset"].is_null());
  EXPECT_EQ(leak["stack"][0]["line"], 12);
  Json object = leak["objects"][0];
  EXPECT_EQ(object["pid"], 12);
  EXPECT_EQ(object["comm"], "insmod");
  EXPECT_EQ(object["age_s"], 61.5);
  EXPECT_EQ(object["cgroup"], "/a");
}

TEST(Json, WhatIsNotKnownIsNull) {
  Json json = parsed(test::sample_report());
  Json leak = json["leaks"][2];
  for (const char* key : {"retained_count", "retained_bytes", "type", "type_reason", "allocated"}) {
    EXPECT_TRUE(leak.contains(key) && leak[key].is_null()) << key;
  }
  for (const char* key : {"comm", "pid", "cgroup", "age_s"}) {
    EXPECT_TRUE(leak["objects"][0].contains(key) && leak["objects"][0][key].is_null()) << key;
  }
  Json bare_frame = json["leaks"][0]["stack"][2];
  for (const char* key : {"symbol", "offset", "symbol_size", "module", "file", "line"}) {
    EXPECT_TRUE(bare_frame.contains(key) && bare_frame[key].is_null()) << key;
  }
  EXPECT_EQ(leak["comms"], Json::array());
  EXPECT_TRUE(parsed(Report{})["self_test"].is_null());
  EXPECT_TRUE(parsed(Report{})["release"].is_null());
}

TEST(Json, OnlyAPerCpuObjectHasACpu) {
  Json leaks = parsed(test::sample_report())["leaks"];
  EXPECT_TRUE(leaks[0]["objects"][0]["cpu"].is_null());
  EXPECT_EQ(leaks[2]["objects"][0]["cpu"], 2);
}

TEST(Json, TheClassesOfTheOutcomeAddUpToTheBlocksExamined) {
  Json json = parsed(test::sample_report());
  u64 count = 0;
  u64 bytes = 0;
  for (const Json& tally : json["outcome"]) {
    count += tally["count"].get<u64>();
    bytes += tally["bytes"].get<u64>();
  }
  EXPECT_EQ(json["outcome"].size(), 6u);
  EXPECT_EQ(json["examined"]["blocks"], count);
  EXPECT_EQ(json["examined"]["bytes"], bytes);
}

TEST(Json, SurvivesARoundTrip) {
  std::string text = to_json(test::sample_report());
  EXPECT_EQ(nlohmann::ordered_json::parse(text, nullptr, false).dump(2) + "\n", text);
}

TEST(Json, HostileStringsArriveEscapedAndUnharmed) {
  Report report = test::sample_report();
  std::string hostile = "\x1b[2J\"\\\n\x7f\xc2\x9b";
  report.leaks[0].cache = hostile;
  std::string text = to_json(report);
  EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
  EXPECT_EQ(parsed(report)["leaks"][0]["cache"], hostile);
}

TEST(Json, InvalidUtf8IsReplacedAndAbortsNothing) {
  Report report = test::sample_report();
  report.leaks[0].evidence[0].text =
      "a\xff\xfe"
      "b\xe2\x82";
  EXPECT_EQ(parsed(report)["leaks"][0]["evidence"][0]["text"],
            "a\xef\xbf\xbd\xef\xbf\xbd"
            "b\xef\xbf\xbd");
}

TEST(Json, AnEmptyReportIsWholeToo) {
  Json json = parsed(Report{});
  EXPECT_EQ(json["examined"]["blocks"], 0);
  EXPECT_TRUE(json["leaks"].is_array() && json["leaks"].empty());
}

TEST(LeakId, IsTheSameWhereOnlyWhatChangesFromScanToScanDiffers) {
  Leak leak = test::slab_leak();
  std::string id = leak_id(leak);
  EXPECT_EQ(id.size(), 16u);
  leak.total = {7, 896};
  leak.objects.clear();
  leak.evidence.clear();
  leak.stack[0].address = Addr{0xffffffffc0aaa041};  // another boot: the module lies elsewhere
  EXPECT_EQ(leak_id(leak), id);
}

TEST(LeakId, IsAnotherForAnotherGroup) {
  std::set<std::string> ids{leak_id(test::slab_leak()), leak_id(test::vmalloc_leak())};
  Leak leak = test::slab_leak();
  leak.kind = BlockKind::LargeKmalloc;
  ids.insert(leak_id(leak));
  leak = test::slab_leak();
  leak.object_size_bytes = 96;
  ids.insert(leak_id(leak));
  leak = test::slab_leak();
  leak.stack[0].offset = 0x42;
  ids.insert(leak_id(leak));
  leak = test::slab_leak();
  leak.stack[2].address = Addr{0xffffffffc01d2037};
  ids.insert(leak_id(leak));
  leak = test::slab_leak();
  leak.stack.pop_back();
  ids.insert(leak_id(leak));
  EXPECT_EQ(ids.size(), 7u);
}

// Every key of `json` and below it. The keys of by_kind are values of a leak's `kind`.
void collect_keys(const Json& json, std::set<std::string>& keys) {
  for (const auto& [key, value] : json.items()) {
    if (json.is_object()) keys.insert(key);
    if (value.is_structured()) collect_keys(value, keys);
  }
}

TEST(Json, PagesStandApart_WithoutThemTheirFieldsAreEmpty) {
  Report report = test::sample_report();
  EXPECT_EQ(parsed(report)["page_outcome"], nullptr);
  EXPECT_EQ(parsed(report)["pages"], Json::array());
  Json before = parsed(report);
  report.pages = test::page_report();
  Json json = parsed(report);
  EXPECT_EQ(json["page_outcome"]["leaked"], (Json{{"count", 2}, {"bytes", 16384}}));
  EXPECT_EQ(json["page_outcome"]["unconfirmed"], (Json{{"count", 4}, {"bytes", 20480}}));
  EXPECT_EQ(json["page_outcome"].size(), 5U);
  ASSERT_EQ(json["pages"].size(), 1U);
  EXPECT_EQ(json["pages"][0]["kind"], "pages");
  EXPECT_EQ(json["pages"][0]["count"], 2);
  EXPECT_EQ(json["pages"][0]["confidence"]["level"], "possible");
  EXPECT_EQ(json["pages"][0]["objects"].size(), 2U);
  EXPECT_FALSE(json["pages"][0].contains("heads"));
  json["pages"] = before["pages"];
  json["page_outcome"] = before["page_outcome"];
  EXPECT_EQ(json, before) << "nothing else says anything of pages";
}

TEST(Json, EveryFieldIsDescribedInTheDocumentation) {
  Result<std::string> document = read_file(ORPHAN_DOCS_DIR "/json.md");
  ASSERT_TRUE(document);
  std::set<std::string> keys;
  Report report = test::sample_report();
  report.pages = test::page_report();
  collect_keys(parsed(report), keys);
  EXPECT_GT(keys.size(), 60u);
  for (const std::string& key : keys) EXPECT_NE((*document).find("`" + key + "`"), std::string::npos) << key;
}

}  // namespace
}  // namespace orphan
