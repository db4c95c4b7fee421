// SPDX-License-Identifier: Apache-2.0
// The subcommand `orphan track`, from its options to its exit status.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

// Runs `orphan track`; returns the exit status.
int run_track(const TrackCommand& command);

}  // namespace orphan::cli
