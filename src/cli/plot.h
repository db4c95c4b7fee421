// SPDX-License-Identifier: Apache-2.0
// `orphan plot`.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

int run_plot(const PlotCommand& command);

}  // namespace orphan::cli
