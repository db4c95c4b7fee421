// SPDX-License-Identifier: Apache-2.0
// Says in words what stands at an address of the kernel's that no allocator's block holds: a variable, a CPU's copy of one, a
// task's stack, a page.
#pragma once
#include <map>
#include <string>

#include "kernel/look.h"

namespace orphan::kernel {

class Places {
 public:
  // All of these must outlive this.
  Places(const Kernel& kernel, const Look& look, const Symbols& symbols);

  // "image: init_task+0x40", "per-CPU variable of CPU 1: runqueues+0x18", "module leaky: held+0x8",
  // "stack of task 12 (sh)+0x1f8", "page descriptor of 0xffff888004a5b000", "kernel page 0xffff888004a5b000+0x10".
  std::string describe(Addr at) const;

 private:
  std::string variable(Addr cookie) const;
  std::string page(Addr at) const;

  const Kernel& kernel_;
  const Look& look_;
  const Symbols& symbols_;
  std::map<u64, u32> percpu_symbols_;  // cookie -> number in symbols_
};

}  // namespace orphan::kernel
