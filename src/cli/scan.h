// SPDX-License-Identifier: Apache-2.0
// The subcommand `orphan scan`, from its options to its exit status.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

// Runs `orphan scan`; returns the exit status.
int run_scan(const ScanCommand& command);

}  // namespace orphan::cli
