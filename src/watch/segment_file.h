// SPDX-License-Identifier: Apache-2.0
// A finished segment as a file of its own, for other machines: lines of JSON, compressed with zstd. The first line says what it
// is and where it comes from, the second when its samples were taken, and each other line is one series. docs/watch.md has the
// format.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "store/sqlite.h"
#include "watch/segments.h"
#include "watch/store.h"

namespace orphan::watch {

inline constexpr std::string_view kSegmentSuffix = ".jsonl.zst";

// Writes a segment of the database to a file in `directory`, whole or not at all, and returns the file's name: of the host, the
// time of the first sample, the boot and the number of the segment, so that it is the same each time and names sort by time.
Result<std::string> write_segment(Database& database, i64 segment, const std::string& directory);

// What is in such a file.
struct SegmentFile {
  Origin origin;
  std::vector<Stamp> stamps;
  struct Line {
    Kind kind = Kind::Memory;
    Unit unit = Unit::Count;
    std::string name, field;
    std::vector<std::optional<i64>> values;  // one a stamp
  };
  std::vector<Line> series;
};
// BadData names the file, the line, and what is wrong there.
Result<SegmentFile> read_segment(const std::string& path);

}  // namespace orphan::watch
