// SPDX-License-Identifier: Apache-2.0
// Gives the stacks of a report lines of source and inlined functions, where this machine has the debug information, and says in
// the report where from.
#pragma once
#include <string>
#include <vector>

#include "report/outstanding.h"

namespace orphan::cli {

// `directories` are the user's own, where debug information is looked for first.
void add_source_lines(Report& report, const std::vector<std::string>& directories);
void add_source_lines(OutstandingReport& report, const std::vector<std::string>& directories);

}  // namespace orphan::cli
