// SPDX-License-Identifier: Apache-2.0
// The default output: a report for an engineer at a terminal. The verdict comes first, then the groups of leaked blocks with what
// is known about each, then the numbers behind the verdict (they add up, to the byte) and what could not be seen. Lines stay
// within 110 columns where names allow it; no colours; whatever a target wrote is escaped.
#pragma once
#include <string>

#include "report/report.h"

namespace orphan {

struct TextOptions {
  bool shows_weak = false;  // blocks that are only weakly referenced, one by one
};
std::string to_text(const Report& report, const TextOptions& options = {});

}  // namespace orphan
