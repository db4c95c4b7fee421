// SPDX-License-Identifier: Apache-2.0
// `orphan slub-trace --live CACHE`: what this kernel says of a cache now. One that was booted with slub_debug=U keeps by itself
// who allocated what, which costs less than any trace and knows all from the boot on: that is asked first. Else the trace is read
// out of /dev/kmsg, and is switched on before and off again where the kernel lets us.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/options.h"
#include "logs/slub_trace.h"

namespace orphan::cli {

struct LiveFindings {
  std::string source;  // the file that said it
  logs::SlubFindings findings;
  bool is_snapshot = false;  // all that is allocated, from the kernel's own records
  std::map<std::string, u64> grown = {};
  std::vector<Leak> freed = {};  // by the same: objects that are free now, by who freed them
};

// Says on standard error what it costs. Unsupported: the kernel has to be booted in another way; the error says how.
Result<LiveFindings> look_live(const SlubTraceCommand& command);

}  // namespace orphan::cli
