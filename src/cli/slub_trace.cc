// SPDX-License-Identifier: Apache-2.0
#include "cli/slub_trace.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "base/verify.h"
#include "cli/interrupt.h"
#include "cli/session.h"
#include "cli/slub_live.h"
#include "logs/slub_log.h"
#include "logs/slub_report.h"
#include "logs/slub_sizes.h"
#include "logs/slub_stack.h"
#include "logs/symboliser.h"

namespace orphan::cli {
namespace {

constexpr u64 kShownComplaints = 10;

// About a file at a time; behind the first ones only their number is told.
class Complaints {
 public:
  void begin(const std::string& path) {
    end();
    name_ = path == "-" ? "standard input" : path;
    count_ = 0;
  }
  void add(u64 line, std::string_view what) {
    if (++count_ <= kShownComplaints) fmt::print(stderr, "orphan: {}:{}: {}\n", name_, line, what);
  }
  void end() const {
    if (count_ > kShownComplaints) fmt::print(stderr, "orphan: {}: and {} more\n", name_, count_ - kShownComplaints);
  }

 private:
  std::string name_;
  u64 count_ = 0;
};

Result<logs::SlubSizes> open_sizes(const SlubTraceCommand& command) {
  // Sizes are this machine's only if the trace is.
  bool is_own = command.slabinfo.empty() && !command.live.empty();
  std::string path = is_own ? "/proc/slabinfo" : command.slabinfo;
  if (path.empty()) return logs::SlubSizes();
  auto text = read_file(path);
  if (!text && is_own) return logs::SlubSizes();
  if (!text) return std::move(text).error();
  auto sizes = logs::SlubSizes::from_slabinfo(*text);
  if (!sizes) return std::move(sizes).error().in(path);
  return sizes;
}

void add_symbols(logs::Symboliser& symboliser, std::vector<Leak>& groups, u64 with_lines) {
  for (Leak& group : groups) {
    symboliser.name(group.stack);
    logs::leave_out_slub(group.stack);  // which had no names before
  }
  for (std::size_t i = 0; i < groups.size() && i < with_lines; ++i) symboliser.add_lines(groups[i].stack);
}

Result<logs::SlubFindings> follow_logs(const SlubTraceCommand& command, bool& is_whole) {
  Complaints complaints;
  auto complain = [&](u64 line, std::string_view what) { complaints.add(line, what); };
  logs::SlubTrace trace(complain);
  std::size_t understood = 0;
  std::optional<Error> last;
  for (const std::string& path : command.logs) {
    complaints.begin(path);
    auto read = logs::read_slub_log(path, trace, complain);
    if (read) {
      ++understood;
      continue;
    }
    if (last) fmt::print(stderr, "orphan: {}\n", last->text());
    last = read.error();
  }
  complaints.end();
  if (understood == 0) return *std::move(last);
  if (last) fmt::print(stderr, "orphan: {}\n", last->text());
  is_whole = !last;
  return trace.finish();
}

std::string print(const logs::SlubReport& report, const SlubTraceCommand& command) {
  switch (command.format) {
    case Format::Json: return logs::to_json(report);
    case Format::Pprof: return logs::to_pprof(report);
    case Format::Kmemleak:
    case Format::Text: return logs::to_text(report, command.top);
  }
  bug("no such format");
}

int finish(const SlubTraceCommand& command, const std::string& text, int status) {
  Result<void> written = command.output.empty() ? write_stdout(text) : write_output(command.output, text);
  if (written) return status;
  fmt::print(stderr, "orphan: {}\n", written.error().text());
  return kCouldNotLook;
}

Result<int> look(const SlubTraceCommand& command) {
  TRY(check_output(command.output));
  auto symboliser = TRY(logs::Symboliser::open(
      {.kallsyms = command.kallsyms, .vmlinux = command.vmlinux, .module_directories = command.module_directories}));
  logs::SlubSizes sizes = TRY(open_sizes(command));
  logs::SlubReport report{.version = ORPHAN_VERSION, .sources = command.logs, .findings = {}};
  bool is_whole = true;
  if (!command.live.empty()) {
    LiveFindings live = TRY(look_live(command));
    report.sources = {live.source};
    report.grown = std::move(live.grown);
    report.findings = std::move(live.findings);
    report.is_snapshot = live.is_snapshot;
    report.freed = std::move(live.freed);
    sizes.apply(report.freed);
  } else {
    report.findings = TRY(follow_logs(command, is_whole));
  }
  sizes.apply(report.findings.groups);
  add_symbols(symboliser, report.findings.groups, command.format == Format::Text ? command.top : ~u64{0});
  for (Coverage& entry : symboliser.coverage()) report.coverage.push_back(std::move(entry));
  // A log that could not be read may have had something.
  int status = !report.findings.groups.empty() ? kLeaks : is_whole ? kClean : kCouldNotLook;
  return finish(command, print(report, command), status);
}

}  // namespace

int run_slub_trace(const SlubTraceCommand& command) {
  auto status = look(command);
  if (status) return *status;
  fmt::print(stderr, "orphan: {}\n", status.error().text());
  return kCouldNotLook;
}

}  // namespace orphan::cli
