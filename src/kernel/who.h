// SPDX-License-Identifier: Apache-2.0
// Who points at an address of the kernel's, and how is it reached? One look at the kernel as it is now: what moves meanwhile may
// be missing.
#pragma once
#include "kernel/allocation_records.h"
#include "kernel/look.h"
#include "kernel/source.h"
#include "report/who.h"

namespace orphan::kernel {

struct WhoOptions {
  std::vector<Addr> addresses;
  u64 max_referrers = 20;  // are listed for each
};

// Answers stand in the order of the addresses. Interrupted when keep_going says no; other errors as take_look().
// Symbols of the kernel's modules are added to `symbols`.
struct WhoTarget {
  Kernel kernel;
  Owners& owners;
  Symbols& symbols;
  const Btf& btf;
  TextOf text_of;                              // for the BTF of modules
  std::string module_btf;                      // the folder that it is in
  const AllocationRecords* records = nullptr;  // of allocations that were seen; null: none were
};
Result<std::vector<Who>> who(const WhoTarget& target, const WhoOptions& options, const LookHooks& hooks);

}  // namespace orphan::kernel
