// SPDX-License-Identifier: Apache-2.0
// The subcommand `orphan trend`, from its options to its exit status.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

// Runs `orphan trend`; returns the exit status.
int run_trend(const TrendCommand& command);

}  // namespace orphan::cli
