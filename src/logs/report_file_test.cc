// SPDX-License-Identifier: Apache-2.0
#include "logs/report_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <zstd.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "base/fd.h"
#include "base/verify.h"
#include "logs/test_reading.h"

namespace orphan::logs {
namespace {

struct Read {
  std::vector<Finding> found;
  std::vector<std::string> complaints;
  FileFacts facts;
  std::string error;
};

Read read(std::string_view bytes) {
  Fd fd(::memfd_create("input", MFD_CLOEXEC));
  VERIFY(::write(fd.value(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  Read read;
  std::string path = "/proc/self/fd/" + std::to_string(fd.value());
  auto facts = read_report_file(path, {.found = [&](Finding finding) { read.found.push_back(std::move(finding)); },
                                       .complain = [&](u64, std::string_view what) { read.complaints.emplace_back(what); }});
  if (facts) read.facts = *facts;
  if (!facts) {
    read.error = facts.error().text();
    EXPECT_TRUE(read.error.starts_with(path + ": ")) << read.error;
  }
  return read;
}

TEST(ReportFile, ItsKindIsToldByWhatIsInIt) {
  EXPECT_EQ(read(test::k2026).found.size(), 2u);
  EXPECT_EQ(read("\xef\xbb\xbf" + std::string(test::k2026)).found.size(), 2u);
  EXPECT_EQ(read(test::kPageOwner).found.size(), 2u);
  EXPECT_EQ(read("\n {\"schema\": 1, \"leaks\": [{\"count\": 1, \"bytes\": 8}]}").found.size(), 1u);
}

// As `journalctl -k -o export` and `-o json` have it.
TEST(ReportFile, AJournalIsALog_WithItsHost) {
  std::string exported, json;
  std::string_view text = test::k2026;
  while (!text.empty()) {
    std::string line(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    exported +=
        "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795762184123456\n_HOSTNAME=board\nSYSLOG_IDENTIFIER=kernel\nMESSAGE=" + line +
        "\n\n";
    nlohmann::json entry{{"__CURSOR", "s=1"}, {"_HOSTNAME", "board"}, {"SYSLOG_IDENTIFIER", "kernel"}, {"MESSAGE", line}};
    json += entry.dump() + "\n";
  }
  for (const std::string& journal : {exported, json}) {
    Read got = read(journal);
    ASSERT_EQ(got.found.size(), 2u) << got.error;
    EXPECT_EQ(got.found[0].host, "board");
    EXPECT_TRUE(got.complaints.empty());
    EXPECT_EQ(got.found[0].leak.stack.size(), read(test::k2026).found[0].leak.stack.size());
  }
}

TEST(ReportFile, AnEmptyFileSaysThatNothingLeaks_SoDoesALogWithoutALeak) {
  EXPECT_EQ(read("").error, "");
  EXPECT_EQ(read("\n\n").error, "");
  EXPECT_EQ(read("[    0.000000] Linux version 6.1.0\n").error, "");
}

TEST(ReportFile, WhatIsNoReportIsAnErrorThatSaysWhatToDo) {
  EXPECT_NE(read("hello\nworld\n").error.find("nothing in it is a report that orphan knows"), std::string::npos);
  EXPECT_NE(read(std::string_view("a\0b\n", 4)).error.find("binary data"), std::string::npos);
  EXPECT_NE(read("orphan recording\1\2").error.find("orphan scan core:FILE"), std::string::npos);
  EXPECT_NE(read("orphan notes 1\n").error.find("--notes"), std::string::npos);
  EXPECT_NE(read("\x7f"
                 "ELF\2")
                .error.find("an ELF file"),
            std::string::npos);
  EXPECT_NE(read("{\"a\": 1}").error.find("no report of orphan's"), std::string::npos);
}

TEST(ReportFile, ADamagedRecordIsOneAllTheSame) {
  Read damaged = read("unreferenced object\n");
  EXPECT_EQ(damaged.error, "");
  EXPECT_EQ(damaged.complaints.size(), 1u);
}

TEST(ReportFile, ACompressedFileThatIsCutIsUsedAsFarAsItGoes) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += test::k2026;
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
  Read whole = read(packed), cut = read(std::string_view(packed).substr(0, packed.size() - 5));
  EXPECT_EQ(whole.found.size(), 2u);
  EXPECT_EQ(whole.facts.repeated, 39'998u);
  EXPECT_EQ(cut.error, "");
  EXPECT_EQ(cut.found.size(), 2u);
  ASSERT_FALSE(cut.complaints.empty());
  EXPECT_NE(cut.complaints.front().find("cut short"), std::string::npos);
}

TEST(SeenObjects, EachIsNewOnce_AlsoWhereTheTableIsFull) {
  SeenObjects seen;
  EXPECT_TRUE(seen.add(0));
  EXPECT_FALSE(seen.add(0));
  for (u64 i = 2; i < SeenObjects::kMost; ++i) ASSERT_TRUE(seen.add(i));
  for (u64 i = 2; i < SeenObjects::kMost; ++i) ASSERT_FALSE(seen.add(i));
  u64 beyond = 2 * SeenObjects::kMost;
  EXPECT_TRUE(seen.add(beyond));
  for (u64 i = 1; i < 10; ++i) seen.add(beyond + i);
  EXPECT_TRUE(seen.add(beyond + 5));
  EXPECT_FALSE(seen.add(3));
}

}  // namespace
}  // namespace orphan::logs
