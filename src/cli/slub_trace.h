// SPDX-License-Identifier: Apache-2.0
// `orphan slub-trace`: what stayed allocated by a kernel log with a SLUB trace in it, or by one that is taken now.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

int run_slub_trace(const SlubTraceCommand& command);

}  // namespace orphan::cli
