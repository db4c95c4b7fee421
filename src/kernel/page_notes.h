// SPDX-License-Identifier: Apache-2.0
// What page_owner noted when a page was allocated. Memory is divided into sections, each with an array of records, one a page; in
// a record each of its users has a place of his own.
#pragma once
#include <string>

#include "kernel/globals.h"
#include "kernel/layouts.h"

namespace orphan::kernel {

struct PageNote {
  u32 handle = 0;    // of the stack depot
  u32 pid = 0;       //
  std::string comm;  // empty: this kernel does not note it
  u64 time_ns = 0;   // since boot
};

class PageNotes {
 public:
  // Off, where the kernel has no page_owner, or was not told to use it.
  PageNotes(const KernelMemory& memory, const std::optional<PageOwnerLayout>& layout, const PageOwnerSymbols& symbols);

  // Of the page with that frame number; nothing: there is no note, or the page is free.
  std::optional<PageNote> of(u64 frame) const;

 private:
  const KernelMemory& memory_;
  const std::optional<PageOwnerLayout>& layout_;
  Addr sections_;         // 0: off
  u64 record_bytes_ = 0;  // of a page
  u64 offset_ = 0;        // of what page_owner has in a record
};

}  // namespace orphan::kernel
