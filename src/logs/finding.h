// SPDX-License-Identifier: Apache-2.0
// What the readers find in other people's files, and whom they tell.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "report/report.h"

namespace orphan::logs {

// What a block belongs to, as far as a report says. JSON of ours tells the allocator, kmemleak only that much.
enum class Memory : u8 { Virtual, PerCpu, Physical, Pages };

// Blocks with one stack: one object of a kmemleak report, a group of ours.
struct Finding {
  Leak leak = {};  // kind, cache, size, total and stack; times, comms and objects where they are known
  Memory memory = Memory::Virtual;
  bool is_leak = true;   // false: it is allocated, and nobody says that it leaks
  u64 without_size = 0;  // of the blocks: they were only counted, and are taken to be as large as the first
  u64 files = 1;         // that it was seen in, and on how many hosts: more than one where these were merged before
  u64 hosts = 1;
  std::string host = {};    // as the log names it; empty: it does not
  bool is_partial = false;  // its end was missing
};

struct Hooks {
  std::function<void(Finding)> found;
  // What could not be used, and where: a line of the file.
  std::function<void(u64 line, std::string_view what)> complain;
};

}  // namespace orphan::logs
