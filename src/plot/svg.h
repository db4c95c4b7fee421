// SPDX-License-Identifier: Apache-2.0
// A chart as a picture: SVG, one file that refers to no other.
#pragma once
#include <string>

#include "plot/chart.h"

namespace orphan::plot {

inline constexpr double kWidth = 960;  // pixels

std::string to_svg(const Chart& chart, const watch::TrendReport& report);

// The colour of a line, "#0072b2": told apart also by those who see fewer.
std::string_view colour(std::size_t number);

// As text or attribute of XML. What is not printable ASCII is replaced: control characters, which XML cannot have, and what may
// be no UTF-8.
std::string escaped(std::string_view text);

}  // namespace orphan::plot
