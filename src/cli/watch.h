// SPDX-License-Identifier: Apache-2.0
// `orphan watch`: samples of what grows, for as long as it is let; or a file of samples out of logs and of what other machines
// have sent.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

// Returns the exit status.
int run_watch(const WatchCommand& command);

}  // namespace orphan::cli
