// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "cli/options.h"

namespace orphan::cli {

int run_track(const TrackCommand& command);

}  // namespace orphan::cli
