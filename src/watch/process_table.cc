// SPDX-License-Identifier: Apache-2.0
#include "watch/process_table.h"

#include <algorithm>
#include <array>

#include "watch/line_reader.h"

namespace orphan::watch {
namespace {

constexpr std::array<std::string_view, 6> kCommandNames{"COMMAND", "CMD", "Command", "ARGS", "COMM", "command"};

// KiB, or with a letter behind it, as BusyBox has it, MiB or GiB.
std::optional<i64> size_kb(std::string_view word) {
  i64 factor = 1;
  if (word.ends_with('m') || word.ends_with('M')) factor = 1024;
  if (word.ends_with('g') || word.ends_with('G')) factor = i64{1024} * 1024;
  if (factor != 1) word.remove_suffix(1);
  auto value = number_in<i64>(word);
  constexpr i64 kMost = i64{1} << 40;
  return value && *value >= 0 && *value < kMost ? std::optional(*value * factor) : std::nullopt;
}

// "/usr/sbin/x --y" is x, "[kthread/0]" and "-bash" stay what they are.
std::string name_of(std::string_view command) {
  if (command.starts_with('[')) return std::string(command);
  std::string_view first = command.substr(0, command.find(' '));
  if (std::size_t slash = first.rfind('/'); slash != std::string_view::npos && slash + 1 < first.size())
    first.remove_prefix(slash + 1);
  return std::string(first);
}

}  // namespace

std::optional<ProcessTable> ProcessTable::parse_heading(std::string_view line) {
  ProcessTable table;
  Words words(line);
  std::string_view last;
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    if (word == "PID") table.pid_ = table.columns_;
    if (word == "RSS" || word == "RSZ") table.rss_ = table.columns_;
    if (word == "VSZ" || word == "VmSize") table.virtual_ = table.columns_;
    if (word == "NLWP" || word == "THCNT") table.threads_ = table.columns_;
    ++table.columns_;
    last = word;
  }
  bool is_table = table.pid_ && table.columns_ > 1 && std::ranges::find(kCommandNames, last) != kCommandNames.end();
  return is_table ? std::optional(table) : std::nullopt;
}

std::optional<ProcessTable::Process> ProcessTable::parse(std::string_view line) const {
  Words words(line);
  Process process;
  for (std::size_t column = 0; column + 1 < columns_; ++column) {
    std::string_view word = words.next();
    if (column == pid_) {
      auto pid = number_in<i64>(word);
      if (!pid || *pid < 0) return std::nullopt;
      process.pid = *pid;
    } else if (column == rss_) {
      process.rss_kb = size_kb(word);
    } else if (column == virtual_) {
      process.virtual_kb = size_kb(word);
    } else if (column == threads_) {
      process.threads = number_in<i64>(word);
    }
  }
  process.comm = name_of(trimmed(words.rest()));
  return process.comm.empty() ? std::nullopt : std::optional(process);
}

}  // namespace orphan::watch
