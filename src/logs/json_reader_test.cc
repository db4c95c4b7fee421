// SPDX-License-Identifier: Apache-2.0
#include "logs/json_reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "report/json.h"
#include "report/outstanding.h"
#include "report/sample_report.h"

namespace orphan::logs {
namespace {

struct Read {
  std::vector<Finding> found;
  std::vector<std::string> complaints;
  std::string error;
};

Read read(std::string_view text) {
  Read read;
  auto result = read_json_report(text, {.found = [&](Finding finding) { read.found.push_back(std::move(finding)); },
                                        .complain = [&](u64, std::string_view what) { read.complaints.emplace_back(what); }});
  if (!result) read.error = result.error().text();
  if (result) {
    EXPECT_EQ(*result, read.found.size());
  }
  return read;
}

TEST(JsonReader, AScansReportComesBackAsItWas) {
  Report report = orphan::test::sample_report();
  report.pages = orphan::test::page_report();
  Read back = read(orphan::to_json(report));
  EXPECT_EQ(back.error, "");
  ASSERT_EQ(back.found.size(), report.leaks.size() + 1);
  for (std::size_t i = 0; i < report.leaks.size(); ++i) {
    const Leak &before = report.leaks[i], &after = back.found[i].leak;
    EXPECT_TRUE(back.found[i].is_leak);
    EXPECT_EQ(leak_id(after), leak_id(before));
    EXPECT_EQ(after.total, before.total);
    EXPECT_EQ(after.type, before.type);
    ASSERT_EQ(after.objects.size(), before.objects.size());
    for (std::size_t j = 0; j < before.objects.size(); ++j) {
      EXPECT_EQ(after.objects[j].address, before.objects[j].address);
      EXPECT_EQ(after.objects[j].checksum, before.objects[j].checksum);
      EXPECT_EQ(after.objects[j].contents, before.objects[j].contents);
      EXPECT_EQ(after.objects[j].cpu, before.objects[j].cpu);
    }
  }
  EXPECT_EQ(back.found[0].leak.comms.at(0).count, 97u);
  EXPECT_EQ(back.found[0].leak.times->first_s, 713.2);
  EXPECT_EQ(back.found.back().memory, Memory::Pages);
}

TEST(JsonReader, WhatIsOutstandingIsNoLeak) {
  Read back = read(orphan::to_json(orphan::test::sample_outstanding()));
  ASSERT_EQ(back.found.size(), 2u);
  EXPECT_FALSE(back.found[0].is_leak);
}

TEST(JsonReader, WhatIsNoReportIsAnError) {
  EXPECT_NE(read("{").error.find("damaged or cut short"), std::string::npos);
  EXPECT_NE(read("{}").error.find("no report"), std::string::npos);
  EXPECT_NE(read("[1]").error.find("no report"), std::string::npos);
  EXPECT_NE(read(R"({"schema": 1, "leaks": 3})").error.find("no report"), std::string::npos);
  EXPECT_NE(read(R"({"schema": 2, "leaks": []})").error.find("schema 2"), std::string::npos);
  EXPECT_EQ(read(R"({"schema": 1, "leaks": []})").error, "");
}

TEST(JsonReader, AGroupThatCannotBeCountedIsTold) {
  Read back = read(R"({"schema": 1, "leaks": [7, {"count": -1, "bytes": 8}, {"count": 1}, {"count": 2, "bytes": 8},
                       {"count": 99999999999999999, "bytes": 8}, {"count": "2", "bytes": 8}, {"count": 0, "bytes": 0}]})");
  ASSERT_EQ(back.found.size(), 1u);
  EXPECT_EQ(back.found[0].leak.object_size_bytes, 4u);
  EXPECT_EQ(back.complaints.size(), 6u);
  EXPECT_EQ(back.complaints.at(0), "entry 1 of \"leaks\" has no count and no bytes: not counted");
}

TEST(JsonReader, FieldsOfAnotherKindAreNotKnown) {
  Read back = read(R"({"schema": 1, "leaks": [{"count": 1, "bytes": 8, "cache": 3, "kind": [], "stack": [1, {"address": 5},
                       {"symbol": "f", "offset": -3}], "comms": {}, "objects": [{"address": "0xzz"}, {"address": "12"}], "allocated": 1}]})");
  ASSERT_EQ(back.found.size(), 1u);
  EXPECT_EQ(back.found[0].leak.kind, BlockKind::Unknown);
  EXPECT_EQ(back.found[0].leak.stack.size(), 1u);
  EXPECT_TRUE(back.found[0].leak.objects.empty());
}

TEST(JsonReader, AReportMayBeCutAtEveryByte) {
  Report report = orphan::test::sample_report();
  report.leaks.resize(1);
  std::string text = orphan::to_json(report);
  // Behind the last bracket comes a newline only.
  for (std::size_t at = 0; at + 1 < text.size(); at += 7) EXPECT_NE(read(std::string_view(text).substr(0, at)).error, "") << at;
}

}  // namespace
}  // namespace orphan::logs
