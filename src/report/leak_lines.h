// SPDX-License-Identifier: Apache-2.0
// Lines of text about a group of blocks and about coverage that more than one report has. Every line ends with a newline;
// whatever a target wrote is escaped. Where nothing is known of what a line would say, it is empty.
#pragma once
#include <string>
#include <string_view>

#include "report/report.h"

namespace orphan {

// The title of a table of groups, and what a group's first line has below it: how many blocks, how large, of which cache.
inline constexpr std::string_view kGroupTitle = "   COUNT       BYTES        SIZE  CACHE\n";
std::string group_line(const Leak& leak);

// What a line below a group starts with.
void label(std::string& out, std::string_view name);

// Why the type is likely.
std::string type_lines(const Leak& leak);

// Where the blocks were allocated, as far as 16 frames, and the functions that are inlined there: these stand in front of the
// frame that has their code, further to the right.
std::string stack_lines(const Leak& leak);

// Which tasks allocated them, and when: all of the group where that is known, else the objects that are listed.
std::string task_lines(const Leak& leak);

// Who is charged for the objects that are listed.
std::string cgroup_lines(const Leak& leak);

// What could not be seen, and what else is to be said of it.
struct CoverageLines {
  std::string unseen = {};
  std::string facts = {};
};
CoverageLines coverage_lines(const std::vector<Coverage>& coverage);

}  // namespace orphan
