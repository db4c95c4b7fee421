// SPDX-License-Identifier: Apache-2.0
// `orphan scan`: open the target, scan it, write the report.
#include "cli/scan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/fd.h"
#include "cli/interrupt.h"
#include "cli/session.h"
#include "cli/source_lines.h"
#include "kernel/recorded_source.h"
#include "kernel/scan.h"
#include "report/format.h"
#include "report/json.h"
#include "report/kmemleak.h"
#include "report/pprof.h"
#include "report/text.h"
#include "track/saved_records.h"

namespace orphan::cli {

std::string print(const Report& report, const ScanCommand& command) {
  switch (command.format) {
    case Format::Text: return to_text(report, {.shows_weak = command.weak});
    case Format::Kmemleak: return to_kmemleak(report);
    case Format::Json: return to_json(report);
    case Format::Pprof: return to_pprof(report);
  }
  bug("no such format");
}

int status_of(const Report& report) {
  if (!report.leaks.empty() || (report.pages && !report.pages->groups.empty())) return kLeaks;
  bool is_partial = std::ranges::any_of(report.coverage, &Coverage::incomplete);
  return is_partial ? kPartial : kClean;
}

Result<std::string> boot_id(kernel::Source& source) {
  std::string text = TRY(source.text("/proc/sys/kernel/random/boot_id"));
  return text.substr(0, text.find('\n'));
}

namespace {

Result<std::vector<SuppressionRule>> read_suppressions(const std::vector<std::string>& files) {
  std::vector<SuppressionRule> all;
  for (const std::string& file : files) {
    std::string text = TRY(read_file(file));
    auto rules = TRY(parse_suppressions(text, file));
    for (SuppressionRule& rule : rules) all.push_back(std::move(rule));
  }
  return all;
}

}  // namespace

Result<kernel::ScanOptions> scan_options(const ScanCommand& command) {
  auto suppressions = TRY(read_suppressions(command.suppressions));
  return kernel::ScanOptions{.max_passes = command.passes,
                             .interval_s = command.interval_s,
                             .min_age_s = command.min_age_s,
                             .max_objects = command.max_objects,
                             .memory_limit_bytes = command.memory_limit_bytes,
                             .pages = command.pages,
                             .suppressions = std::move(suppressions),
                             .version = ORPHAN_VERSION};
}

namespace {

// A scan of this machine's kernel or of a recording of one, and what it takes.
struct Run {
  const ScanCommand& command;
  Session& session;
  kernel::TargetPaths paths = {};
  std::unique_ptr<RecordingWriter> writer = {};     // with --record
  std::optional<Recording> recording = {};          // with core:FILE
  std::unique_ptr<track::SavedRecords> notes = {};  // with --notes

  bool keep_going() const { return !is_interrupted() && (!writer || writer->status()); }

  Result<std::unique_ptr<kernel::Source>> open_source() {
    if (recording) return std::unique_ptr<kernel::Source>(new kernel::RecordedSource(*recording));
    // A recording has the reads in the order in which a replay makes them.
    auto live = TRY(kernel::LiveSource::open(paths, writer ? 1 : command.threads));
    if (!writer) return std::unique_ptr<kernel::Source>(std::move(live));
    return std::unique_ptr<kernel::Source>(new kernel::RecordingSource(std::move(live), *writer));
  }

  // What was noted, with what is known of modules that have gone since.
  Result<void> use_notes(kernel::Target& target, kernel::ScanOptions& options) const {
    if (notes->facts().boot_id != TRY(boot_id(target.source())))
      return Error(ErrorCode::Usage, command.notes + ": of another boot or machine: its addresses mean nothing here; track anew");
    notes->add_symbols(target.symbols());
    options.records = &notes->table();
    options.gone_modules = notes->build_ids();
    return {};
  }

  Coverage about_notes(const Report& report) const {
    const track::SavedFacts& facts = notes->facts();
    std::string why = fmt::format(
        "in {}, up to {} s before this scan; a block that was allocated since may have the note of the one "
        "that was in its place before",
        command.notes, report.started_unix_s - facts.ended_unix_s);
    if (facts.replaced != 0) why += fmt::format("; {} notes took the place of another address's", with_commas(facts.replaced));
    return {.what = "allocations traced", .count = facts.events, .why = why, .incomplete = false};
  }

  Result<void> open_files() {
    if (!command.notes.empty()) notes = TRY(track::SavedRecords::read(command.notes));
    if (!command.record.empty()) writer = TRY(RecordingWriter::create(command.record));
    if (!command.target.starts_with(kCorePrefix)) return {};
    session.step("checking the recording");
    paths.kcore = command.target.substr(kCorePrefix.size());
    recording.emplace(TRY(Recording::open(paths.kcore)));
    return {};
  }

  Result<Report> look() {
    TRY(session.check(command.output));
    auto options = TRY(scan_options(command));
    TRY(open_files());
    auto go_on = [this] { return keep_going(); };
    auto target = TRY(kernel::Target::open(
        [this] { return open_source(); }, paths,
        {.keep_going = go_on, .progress = [this](std::string_view what) { session.step(std::string(what)); }}));
    if (notes) TRY(use_notes(*target, options));
    kernel::ScanHooks hooks{.keep_going = go_on, .wait = {}, .progress = [this](const std::string& what) { session.step(what); }};
    if (!recording) hooks.wait = wait_seconds;
    auto report = kernel::scan(*target, options, hooks);
    if (recording && !recording->status()) return recording->status().error();
    if (report && notes) report->coverage.push_back(about_notes(*report));
    if (report) add_source_lines(*report, command.debug_directories);
    return report;
  }
};

// A recording that cannot be written ends the scan, so that it can be started again soon. One of a scan that was interrupted is
// not kept: its replay would not end where the scan did.
Result<void> finish_recording(RecordingWriter& writer, const ScanCommand& command, const Report& report) {
  if (writer.status() && report.interrupted) {
    fmt::print(stderr, "orphan: {}: not written, since the scan was stopped before its end\n", command.record);
    return {};
  }
  return writer.finish();
}

Result<Report> look(const ScanCommand& command, Session& session) {
  Run run{.command = command, .session = session};
  auto report = run.look();
  if (run.writer && !run.writer->status()) return run.writer->status().error();
  if (run.writer && report) TRY(finish_recording(*run.writer, command, *report));
  return report;
}

// NotMapped comes without a text: in a recording it means that something was not recorded.
Error with_reason(const Error& error, const ScanCommand& command) {
  if (!error.text().empty() || !command.target.starts_with(kCorePrefix)) return error;
  return {error.code(),
          command.target.substr(kCorePrefix.size()) +
              ": this orphan reads other parts of the kernel than were recorded: use an orphan like the one that made it"};
}

}  // namespace

Result<Report> scan_recording(const std::string& file, Session& session) {
  ScanCommand command;
  command.target = std::string(kCorePrefix) + file;
  Result<Report> report = look(command, session);
  if (!report) return with_reason(report.error(), command);
  return report;
}

int run_scan(const ScanCommand& command) {
  Session session;
  Result<Report> report = look(command, session);
  if (!report) return session.fail(with_reason(report.error(), command));
  return session.finish(command.output, print(*report, command), status_of(*report));
}

}  // namespace orphan::cli
