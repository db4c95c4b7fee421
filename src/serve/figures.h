// SPDX-License-Identifier: Apache-2.0
// What the daemon has found, as figures for who watches a fleet.
#pragma once
#include "serve/metrics.h"
#include "serve/status.h"

namespace orphan::serve {

// `report`: the last one; null: there was none.
MetricsFigures figures_of(const Report* report, const Status& status);

}  // namespace orphan::serve
