// SPDX-License-Identifier: Apache-2.0
// `orphan track --outstanding`, from its options to its exit status.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

// Runs it; returns the exit status.
int run_outstanding(const TrackCommand& command);

}  // namespace orphan::cli
