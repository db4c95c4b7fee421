// SPDX-License-Identifier: Apache-2.0
// The subcommand `orphan who`, from its options to its exit status.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

// Runs `orphan who`; returns the exit status.
int run_who(const WhoCommand& command);

}  // namespace orphan::cli
