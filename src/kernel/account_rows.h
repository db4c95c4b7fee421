// SPDX-License-Identifier: Apache-2.0
// The rows of the account, each beside the kernel's own figure: the table of what is compared with what, and why they differ.
#pragma once
#include <array>

#include "kernel/account.h"
#include "kernel/page_kinds.h"

namespace orphan::kernel {

// To whom a page was given that its descriptor calls the kernel's own, unused or reserved.
enum class Taken : u8 { CpuLists, Stacks, PerCpu, Vmalloc, Vmap, Modules, Tables, MemoryMap, Image };

class TakenPages {
 public:
  u64& operator[](Taken owner) { return pages_[static_cast<std::size_t>(owner)]; }
  u64 operator[](Taken owner) const { return pages_[static_cast<std::size_t>(owner)]; }

 private:
  std::array<u64, 9> pages_{};
};

struct CountedPages {
  const PageKinds& kinds;
  const TakenPages& taken;    // of MemTotal
  const TakenPages& outside;  // reserved ones
  u64 first_unit_pages;       // of per-CPU memory that was set up at boot
  const PageLayout& page;
};

// Also sets the account's total_pages, has_total and missing_pages.
std::vector<AccountRow> account_rows(const CountedPages& counted, const OwnTexts& before, const OwnTexts& after,
                                     Account& account);

}  // namespace orphan::kernel
