// SPDX-License-Identifier: Apache-2.0
// What is known of one address: the block that holds it, who points at that block, and how it is reached. One plain structure,
// and its printers.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"

namespace orphan {

enum class BlockState : u8 {
  Referenced,    // live, and reached from a root
  Unreferenced,  // live, and reached from none: a leak, if it stays so
  Free,
  Unstable,   // its slab moved while it was read: taken as referenced
  Untracked,  // of a cache that the kernel marks as not to be looked at
};
const char* to_string(BlockState state);

// A block that an allocator handed out, or a free slot of one.
struct WhoBlock {
  Addr address;  // a per-CPU block: its cookie
  u64 size_bytes = 0;
  BlockKind kind = BlockKind::Slab;
  std::string cache = {};
  Frame caller = {};  // vmalloc: who allocated
  BlockState state = BlockState::Free;
};

// A word that points at a block.
struct Referrer {
  Addr at;  // 0: not known
  u64 word = 0;
  bool is_forwarded = false;           // it points at the allocator's handle of the block
  std::optional<WhoBlock> block = {};  // where it stands, with its offset there; else a root
  u64 offset_bytes = 0;
  std::string root = {};       // "image: init_task+0x40", "stack of task 12 (sh)+0x1f8"
  std::string weak_form = {};  // what it is when it is no plain pointer: "one-past-end", "physical-address", ...
};

struct Who {
  Addr address;
  std::string place = {};              // what stands at the address when no allocator's block does
  std::optional<WhoBlock> block = {};  // that holds it
  u64 offset_bytes = 0;                // of the address in the block
  std::vector<Referrer> referrers = {};
  u64 referrer_count = 0;  // of these the first are listed
  std::vector<Referrer> weak_referrers = {};
  u64 weak_referrer_count = 0;          // the same
  std::vector<Referrer> path = {};      // from a root to the block: each points at the next one's block; empty: none is known
  bool is_path_whole = true;            // false: too long; the steps nearest to the block are there
  std::vector<Evidence> evidence = {};  // what is in the block, and where it points
  std::string type = {};                // as of a Leak
  std::string type_reason = {};
  std::vector<Frame> stack = {};  // where it was allocated; empty: not known
  std::optional<u32> pid = {};    // as of a LeakedObject
  std::string comm = {};
  std::optional<double> age_s = {};
  std::string cgroup = {};
  std::vector<std::byte> contents = {};  // its first bytes; of a per-CPU block: the first CPU's
};

// Where a word stands, in words: "kmalloc-64 object 0xffff888004a5b000+0x8", or the root.
std::string place_of(const Referrer& referrer);

std::string to_text(const Who& who);
// All answers as one JSON document: {"schema": 1, "target": …, "who": […]}.
std::string to_json(const std::string& target, const std::vector<Who>& answers);

}  // namespace orphan
