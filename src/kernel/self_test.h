// SPDX-License-Identifier: Apache-2.0
// Our count of live objects against the kernel's own, /proc/slabinfo.
#pragma once
#include "kernel/slub.h"
#include "report/report.h"

namespace orphan::kernel {

// `slabinfo` is the text of /proc/slabinfo (version 2.1). The kernel counts an object as active unless it is free on a slab of
// a node's partial list, so what CPUs hold free is added to ours.
Result<SelfTest> compare_with_slabinfo(std::span<const Cache> caches, std::string_view slabinfo);

}  // namespace orphan::kernel
