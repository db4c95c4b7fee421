// SPDX-License-Identifier: Apache-2.0
// `orphan serve`: the daemon; and `orphan ctl`, which tells it what to do.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

int run_serve(const ServeCommand& command);
int run_ctl(const CtlCommand& command);

}  // namespace orphan::cli
