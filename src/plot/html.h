// SPDX-License-Identifier: Apache-2.0
// A chart as a page: one file, that works without a network and asks for nothing: zoom, series that can be picked, the table of
// verdicts.
#pragma once
#include <string>

#include "plot/chart.h"

namespace orphan::plot {

std::string to_html(const Chart& chart, const watch::TrendReport& report);

}  // namespace orphan::plot
