// SPDX-License-Identifier: Apache-2.0
// The subcommand `orphan account`, from its options to its exit status.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

// Runs `orphan account`; returns the exit status.
int run_account(const AccountCommand& command);

}  // namespace orphan::cli
