// SPDX-License-Identifier: Apache-2.0
// The account of a machine's memory: one plain structure that every output format prints, as a Report is for a scan.
//
// It adds up: the rows that are part of MemTotal and `missing_pages` together are MemTotal; all rows together are all page
// frames of RAM. The parts of a row are its pages too.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"

namespace orphan {

// What the kernel says of the same, and where. Two readings, before and after ours: memory moves meanwhile.
struct KernelFigure {
  std::string source = {};  // "MemFree", "Cached + Buffers - Shmem": names of /proc/meminfo unless a file is named
  i64 before_bytes = 0;
  i64 bytes = 0;  // after
};

struct AccountRow {
  enum class Section : u8 { Free, User, Kernel, Unaccounted, Moving, Outside };
  Section section = Section::Free;
  std::string id = {};    // a stable word: "free.buddy"
  std::string name = {};  // for people
  u64 pages = 0;
  std::optional<KernelFigure> kernel = {};
  u64 compared_pages = 0;  // what `kernel` is to be compared with: mostly `pages`
  std::string why = {};    // what the two count differently
};
const char* to_string(AccountRow::Section section);

// Ours less the kernel's; to the nearer of its two figures where they differ, and 0 in between.
i64 difference_bytes(const AccountRow& row, u64 page_bytes);

struct AccountCache {
  std::string name = {};
  u64 pages = 0, slabs = 0, objects = 0, live = 0;
  u64 live_bytes = 0, free_bytes = 0, waste_bytes = 0;  // their sum is all of `pages`
  struct Kernel {
    u64 active = 0, objects = 0, pages = 0;
  };
  std::optional<Kernel> kernel = {};  // /proc/slabinfo
  u64 held_free = 0;                  // free objects that CPUs hold: the kernel's `active` has them
};

// Pages of vmalloc space, by who asked for them.
struct AccountCaller {
  Frame caller;
  bool is_vmap = false;  // it maps pages that it got elsewhere
  u64 areas = 0, pages = 0;
  std::optional<u64> kernel_pages = {};  // /proc/vmallocinfo
};

// Pages that nothing in /proc accounts for, by who seems to have them.
struct AccountOwner {
  std::string id = {};          // "plain" or "compound": which row they are part of
  std::string referrer = {};    // who points at them most: "kmalloc-256+0x40", "nf_conntrack_hash [nf_conntrack]"; may be empty
  std::string looks_like = {};  // "zeros", "text", "pointers", "data"
  u64 block_pages = 1;          // pages of one allocation
  u64 pages = 0;                // an estimate where not all were looked into
  u64 looked_into = 0;          // blocks
  std::vector<Evidence> evidence = {};
  std::vector<Addr> examples = {};  // of blocks
};

struct Account {
  std::string target = {}, version = {};
  i64 started_unix_s = 0;
  double seconds = 0;
  u64 page_bytes = 4096;
  u64 ram_pages = 0;       // page frames of RAM
  u64 total_pages = 0;     // MemTotal
  bool has_total = false;  // false: /proc/meminfo could not be read, the sum stands for it
  i64 missing_pages = 0;   // MemTotal less all rows that are part of it; 0 unless something is not understood
  std::vector<AccountRow> rows = {};
  std::vector<AccountCache> caches = {};  // largest first, as are the next two
  std::vector<AccountCaller> callers = {};
  std::vector<AccountOwner> owners = {};
  u64 owner_blocks = 0, looked_into_blocks = 0;    // of plain and compound pages that are nobody's
  u64 searched_bytes = 0, not_searched_bytes = 0;  // for who points at them
  std::vector<Coverage> coverage = {};
  u64 bytes_read = 0;
};

// Pages of the rows that are part of MemTotal.
u64 accounted_pages(const Account& account);

// `top`: so many caches, callers and owners are shown, the rest is one line.
std::string to_text(const Account& account, u64 top);
// Everything.
std::string to_json(const Account& account);

}  // namespace orphan
