// SPDX-License-Identifier: Apache-2.0
// SVG as pixels, by librsvg. Two libraries implement this: one by librsvg, and one, for a program that is linked statically, that
// says it cannot: Debian has no archive of librsvg.
#pragma once
#include <string>

#include "base/result.h"

namespace orphan::plot {

// Whether to_png() can succeed in this program.
extern const bool kHasPng;

// `zoom`: pixels of the picture for one of the SVG's.
Result<std::string> to_png(const std::string& svg, double zoom);

}  // namespace orphan::plot
