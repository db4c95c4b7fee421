// SPDX-License-Identifier: Apache-2.0
#include "cli/source_lines.h"

#include <algorithm>

#include "debuginfo/lines.h"

namespace orphan::cli {
namespace {

using debuginfo::ImageLines;

std::string name_of(const ImageLines& lines) {
  return lines.image.module.empty() ? "lines of the kernel's source" : "lines of " + lines.image.module + "'s source";
}

// Most machines have no debug information: that is worth a word only to who has asked for it, or has it in part.
void say_where_from(const std::vector<ImageLines>& images, bool was_asked, std::vector<Coverage>& coverage) {
  bool has_any = std::ranges::any_of(images, [](const ImageLines& lines) { return !lines.path.empty(); });
  if (!has_any && !was_asked) return;
  for (const ImageLines& lines : images) {
    if (lines.frames == 0) continue;
    coverage.push_back({.what = name_of(lines),
                        .count = lines.frames - lines.frames_without_line,
                        .why = lines.path.empty() ? "none: " + lines.reason : "out of " + lines.path,
                        .incomplete = false});
  }
}

}  // namespace

void add_source_lines(Report& report, const std::vector<std::string>& directories) {
  auto images = debuginfo::add_lines(report, {.release = report.release, .directories = directories});
  say_where_from(images, !directories.empty(), report.coverage);
}

void add_source_lines(OutstandingReport& report, const std::vector<std::string>& directories) {
  debuginfo::Lines lines(report.images, {.release = report.release, .directories = directories});
  for (Leak& group : report.groups) lines.add_to(group.stack);
  say_where_from(lines.results(), !directories.empty(), report.coverage);
}

}  // namespace orphan::cli
