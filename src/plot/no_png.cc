// SPDX-License-Identifier: Apache-2.0
// Of a program that is linked without librsvg.
#include "plot/png.h"

namespace orphan::plot {

const bool kHasPng = false;

Result<std::string> to_png(const std::string&, double) {
  return Error(ErrorCode::Unsupported, "--png: this program was linked without librsvg; use the program orphan, or --svg");
}

}  // namespace orphan::plot
