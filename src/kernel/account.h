// SPDX-License-Identifier: Apache-2.0
// Where the memory of a running kernel is, to the page: each page frame of RAM has one kind by its descriptor (page_kinds.h);
// then pages of the kernel's own are given to what they are mapped as (vmalloc, per-CPU areas, stacks, modules), read as (page
// tables) or kept in (CPUs' lists of free pages). A page is moved from its kind to its owner, so that the sum stays what it was.
#pragma once
#include <functional>

#include "kernel/look.h"
#include "report/account.h"

namespace orphan::kernel {

// Texts of /proc. An empty one could not be read: what would be compared with it is not.
struct OwnTexts {
  std::string meminfo, zoneinfo, slabinfo, vmallocinfo;
};
OwnTexts read_own_texts();

struct AccountHooks {
  std::function<bool()> keep_going;                // absent: never stops
  std::function<void(std::string_view)> progress;  // what is done next; absent: nobody asks
  std::function<OwnTexts()> own_texts = read_own_texts;
};

// Interrupted when keep_going says no; any other error means that the kernel cannot be read at all. Symbols of modules are
// added to `symbols`. `owners` is left with numbers of the caches.
Result<Account> take_account(const Kernel& kernel, Owners& owners, Symbols& symbols, const AccountHooks& hooks);

}  // namespace orphan::kernel
