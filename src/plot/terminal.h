// SPDX-License-Identifier: Apache-2.0
// A chart in characters: each is eight dots of braille. Lines have a letter at their end, and a colour where there are colours.
#pragma once
#include <string>

#include "plot/chart.h"

namespace orphan::plot {

struct TerminalSize {
  std::size_t columns = 80, rows = 24;
};

// As wide as the terminal; as high, unless it takes more for every panel to be seen.
std::string to_terminal(const Chart& chart, const watch::TrendReport& report, TerminalSize size, bool has_colours);

}  // namespace orphan::plot
