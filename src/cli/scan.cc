// SPDX-License-Identifier: Apache-2.0
// `orphan scan`: open the target, scan it, write the report.
#include "cli/scan.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>

#include "cli/interrupt.h"
#include "kernel/recorded_source.h"
#include "kernel/scan.h"
#include "report/json.h"
#include "report/kmemleak.h"
#include "report/output.h"
#include "report/progress.h"
#include "report/text.h"

namespace orphan::cli {
namespace {

// The contract of the command line.
constexpr int kClean = 0, kLeaks = 1, kCouldNotLook = 3, kPartial = 4;

std::string print(const Report& report, Format format) {
  switch (format) {
    case Format::Text: return to_text(report);
    case Format::Kmemleak: return to_kmemleak(report);
    case Format::Json: return to_json(report);
  }
  bug("no such format");
}

int status_of(const Report& report) {
  if (!report.leaks.empty()) return kLeaks;
  bool is_partial = std::ranges::any_of(report.coverage, &Coverage::incomplete);
  return is_partial ? kPartial : kClean;
}

// A scan of this machine's kernel or of a recording of one, and what it takes.
struct Session {
  const ScanCommand& command;
  Progress& progress;
  kernel::TargetPaths paths = {};
  std::unique_ptr<RecordingWriter> writer = {};  // with --record
  std::optional<Recording> recording = {};       // with core:FILE

  bool keep_going() const { return !is_interrupted() && (!writer || writer->status()); }

  Result<std::unique_ptr<kernel::Source>> open_source() {
    if (recording) return std::unique_ptr<kernel::Source>(new kernel::RecordedSource(*recording));
    auto live = TRY(kernel::LiveSource::open(paths));
    if (!writer) return live;
    return std::unique_ptr<kernel::Source>(new kernel::RecordingSource(std::move(live), *writer));
  }

  Result<void> open_files() {
    if (!command.record.empty()) writer = TRY(RecordingWriter::create(command.record));
    if (!command.target.starts_with(kCorePrefix)) return {};
    progress.step("checking the recording");
    paths.kcore = command.target.substr(kCorePrefix.size());
    recording.emplace(TRY(Recording::open(paths.kcore)));
    return {};
  }

  Result<Report> look() {
    TRY(open_files());
    auto go_on = [this] { return keep_going(); };
    auto target = TRY(kernel::Target::open(
        [this] { return open_source(); }, paths,
        {.keep_going = go_on, .progress = [this](std::string_view what) { progress.step(std::string(what)); }}));
    kernel::ScanOptions options{.max_passes = command.passes,
                                .interval_s = command.interval_s,
                                .min_age_s = command.min_age_s,
                                .max_objects = command.max_objects,
                                .version = ORPHAN_VERSION};
    kernel::ScanHooks hooks{
        .keep_going = go_on, .wait = {}, .progress = [this](const std::string& what) { progress.step(what); }};
    if (!recording) hooks.wait = wait_seconds;
    auto report = kernel::scan(*target, options, hooks);
    if (recording && !recording->status()) return recording->status().error();
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

Result<Report> look(const ScanCommand& command, Progress& progress) {
  Session session{.command = command, .progress = progress};
  auto report = session.look();
  if (session.writer && !session.writer->status()) return session.writer->status().error();
  if (session.writer && report) TRY(finish_recording(*session.writer, command, *report));
  return report;
}

// NotMapped comes without a text. Here it means that what every kernel has cannot be read.
std::string why_not(const Error& error, const ScanCommand& command) {
  if (!error.text().empty()) return error.text();
  if (command.target.starts_with(kCorePrefix))
    return command.target.substr(kCorePrefix.size()) +
           ": this orphan reads other parts of the kernel than were recorded: use an orphan like the one that made it";
  return "/proc/kcore: the kernel's own tables cannot be read from it: is it cut short, or that of another kernel?";
}

}  // namespace

int run_scan(const ScanCommand& command) {
  catch_interrupts();
  // While the kernel gathers pages of a process into a huge one, the copy looks like memory of its own, and is full of the
  // addresses that we hold.
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  auto progress = std::make_unique<Progress>();
  Result<Report> report = look(command, *progress);
  progress.reset();
  if (!report) {
    fmt::print(stderr, "orphan: {}\n", why_not(report.error(), command));
    return kCouldNotLook;
  }
  std::string text = print(*report, command.format);
  Result<void> written = command.output.empty() ? write_stdout(text) : write_output(command.output, text);
  if (!written) {
    fmt::print(stderr, "orphan: {}\n", written.error().text());
    return kCouldNotLook;
  }
  return status_of(*report);
}

}  // namespace orphan::cli
