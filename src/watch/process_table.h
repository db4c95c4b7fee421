// SPDX-License-Identifier: Apache-2.0
// What ps(1) prints, in any of its forms that name their columns: procps' aux, -ef, -o …, and BusyBox's.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace orphan::watch {

class ProcessTable {
 public:
  struct Process {
    i64 pid = 0;
    std::string comm;  // the command's own name, without its directory and arguments
    std::optional<i64> rss_kb = {}, virtual_kb = {}, threads = {};
  };

  // Of the line with the names of the columns. Nothing: it is no such line.
  static std::optional<ProcessTable> parse_heading(std::string_view line);
  // Nothing: it is no line of this table.
  std::optional<Process> parse(std::string_view line) const;

 private:
  std::size_t columns_ = 0;
  std::optional<std::size_t> pid_, rss_, virtual_, threads_;
};

}  // namespace orphan::watch
