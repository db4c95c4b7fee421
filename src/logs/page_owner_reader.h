// SPDX-License-Identifier: Apache-2.0
// Reads /sys/kernel/debug/page_owner, what tools/mm/page_owner_sort makes of it, and the files of
// /sys/kernel/debug/page_owner_stacks, line by line:
//
//     12 times, 48 pages:                                                   of page_owner_sort; details behind "pages" vary
//     Page allocated via order 2, mask 0x…(GFP_…), pid 1, tgid 1 (systemd), ts 123 ns, free_ts 0 ns
//     PFN 4096 type Movable Block 8 type Movable Flags 0x…(…)
//      get_page_from_freelist+0x15d/0x180
//
// and of page_owner_stacks frames, then " stack_count: 12" or " nr_base_pages: 12". These are allocated pages: that they leak,
// nobody says.
#pragma once
#include "logs/finding.h"
#include "logs/log_line.h"

namespace orphan::logs {

class PageOwnerReader {
 public:
  explicit PageOwnerReader(const Hooks& hooks) : hooks_(hooks) {}

  bool take(const LogLine& line, u64 number);
  void end() { finish(); }

 private:
  bool take_head(std::string_view text, const LogLine& line, u64 number);
  bool take_count(std::string_view text, const LogLine& line);
  bool take_frame(const LogLine& line);
  void finish();

  const Hooks& hooks_;
  bool is_inside_ = false;
  bool is_skipped_ = false;  // a record is inside, and not to be counted
  u64 times_ = 1;            // of the record that comes
  Finding finding_;
  std::vector<Frame> loose_;  // frames before a count
};

}  // namespace orphan::logs
