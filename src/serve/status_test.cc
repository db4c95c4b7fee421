// SPDX-License-Identifier: Apache-2.0
#include "serve/status.h"

#include <gtest/gtest.h>

namespace orphan::serve {
namespace {

TEST(Status, SaysEachThingInALineOfItsOwn) {
  Status status{.target = "kernel 6.1.0", .scans = 3, .last_scan_unix_s = 1'700'000'000, .last_scan_s = 6.25};
  status.examined = {1000, 64'000};
  status.listed = {2, 128};
  status.cleared = 5;
  status.new_in_last = 1;
  status.tracking = track::TrackCounts{.events = 77, .replaced = 3, .lost = 4, .missed_runs = 1};
  status.coverage = {{"unreadable pages", 12'288, 3, "/proc/kcore refused them"},
                     {"a fact", 0, 0, "which takes nothing away", false}};
  EXPECT_EQ(to_text(status),
            "target: kernel 6.1.0\n"
            "state: on\n"
            "scanning: no\n"
            "automatic scans: on\n"
            "period: 600 s\n"
            "stack scanning: on\n"
            "minimum age: 5 s\n"
            "scans: 3\n"
            "last scan: 2023-11-14 22:13:20 UTC\n"
            "last scan seconds: 6.2\n"
            "objects examined: 1000\n"
            "bytes examined: 64000\n"
            "leaks listed: 2\n"
            "bytes listed: 128\n"
            "cleared: 5\n"
            "new in the last scan: 1\n"
            "tracking: yes\n"
            "allocations traced: 77\n"
            "lost events: 5\n"
            "notes replaced: 3\n"
            "not seen: unreadable pages, 12.0 KiB: /proc/kcore refused them\n");
}

TEST(Status, WhatIsUnusualIsThereOnlyWhenItIsSo) {
  Status status{.settings = {.is_off = true, .has_automatic_scans = false, .scans_stacks = false, .period_ms = 1500},
                .is_scanning = true,
                .last_error = "no such kernel",
                .omitted = 9,
                .why_not_tracking = "no BPF"};
  std::string text = to_text(status);
  for (const char* line : {"state: off\n", "scanning: yes\n", "automatic scans: off\n", "stack scanning: off\n",
                           "period: 1.5 s\n", "last scan: never\n", "last scan failed: no such kernel\n",
                           "leaks not listed for want of room: 9\n", "tracking: no: no BPF\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line;
  EXPECT_EQ(to_text({}).find("not listed"), std::string::npos);
}

}  // namespace
}  // namespace orphan::serve
