// SPDX-License-Identifier: Apache-2.0
// `orphan report`: read files one after the other, bring together what they say, print it or what has changed.
#include "cli/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>

#include "base/verify.h"
#include "cli/interrupt.h"
#include "cli/scan.h"
#include "cli/session.h"
#include "logs/group_table.h"
#include "logs/json_reader.h"
#include "logs/merged_report.h"
#include "logs/report_file.h"
#include "logs/symboliser.h"
#include "report/format.h"
#include "report/json.h"

namespace orphan::cli {
namespace {

constexpr u64 kShownGroups = 25;      // in the text
constexpr u64 kShownComplaints = 10;  // of a file

u64 shown_groups(const ReportCommand& command) {
  return command.top.value_or(command.format == Format::Text ? kShownGroups : std::numeric_limits<u64>::max());
}

void complain(const std::string& what) {
  fmt::print(stderr, "orphan: {}\n", what);
}

// What it says of a file, but for the first ones only a number.
class Complaints {
 public:
  explicit Complaints(const std::string& path) : name_(path == "-" ? "standard input" : path) {}
  Complaints(const Complaints&) = delete;
  Complaints& operator=(const Complaints&) = delete;
  ~Complaints() {
    if (count_ > kShownComplaints) complain(fmt::format("{}: and {} more", name_, count_ - kShownComplaints));
  }
  void add(u64 line, std::string_view what) {
    if (++count_ > kShownComplaints) return;
    complain(line == 0 ? fmt::format("{}: {}", name_, what) : fmt::format("{}:{}: {}", name_, line, what));
  }
  u64 count() const { return count_; }

 private:
  std::string name_;
  u64 count_ = 0;
};

// The files in a directory and below it, in the order of their names.
Result<std::vector<std::string>> files_below(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_regular_file(unknown)) files.push_back(entry->path().native());
  }
  if (error) return Error(ErrorCode::Io, fmt::format("{}: {}", directory, error.message()));
  std::ranges::sort(files);
  return files;
}

// One of the reports that are to be made: of all files, or of one side of a comparison.
class Reading {
 public:
  Reading(const ReportCommand& command, logs::Symboliser& symboliser)
      : command_(command), symboliser_(symboliser), table_(command.max_objects) {}

  void read(const std::string& path) {
    std::error_code unknown;
    if (!command_.recursive || !std::filesystem::is_directory(path, unknown)) {
      read_one(path);
      return;
    }
    auto files = files_below(path);
    if (!files) fail(files.error());
    if (files) std::ranges::for_each(*files, [this](const std::string& file) { read_one(file); });
  }

  logs::MergedReport take() {
    report_.version = ORPHAN_VERSION;
    report_.hosts = table_.hosts();
    report_.leaks = table_.groups(true);
    report_.allocated = table_.groups(false);
    u64 shown = shown_groups(command_);
    for (auto* groups : {&report_.leaks, &report_.allocated}) {
      for (std::size_t i = 0; i < groups->size() && i < shown; ++i) symboliser_.add_lines((*groups)[i].leak.stack);
    }
    add_coverage();
    return std::move(report_);
  }

  bool has_leaks() const { return has_leaks_; }

 private:
  void fail(const Error& error) {
    ++report_.failed_files;
    complain(error.text());
  }

  static Result<logs::FileFacts> read_file(const std::string& path, const logs::Hooks& hooks) {
    if (!logs::is_recording(path)) return logs::read_report_file(path, hooks);
    Session session;
    const Report report = TRY(scan_recording(path, session));
    if (report.interrupted) return Error(ErrorCode::Interrupted, path + ": stopped before the end of its scan");
    logs::FileFacts facts;
    facts.records = TRY(logs::read_json_report(to_json(report), hooks));
    return facts;
  }

  void read_one(const std::string& path) {
    // Recordings take long, so ^C is noted while there are any.
    if (is_interrupted()) {
      fail(Error(ErrorCode::Interrupted, path + ": not read, since orphan was stopped"));
      return;
    }
    table_.begin_file(path);
    symboliser_.begin_file();
    Complaints complaints(path);
    auto facts = read_file(path, {.found =
                                      [this](logs::Finding finding) {
                                        has_leaks_ |= finding.is_leak;
                                        symboliser_.name(finding.leak.stack);
                                        table_.add(std::move(finding));
                                      },
                                  .complain = [&](u64 line, std::string_view what) { complaints.add(line, what); }});
    complaints_ += complaints.count();
    if (!facts) {
      fail(facts.error());
      return;
    }
    ++report_.files;
    repeated_ += facts->repeated;
    announced_ += facts->announced_only;
    if (facts->has_given_up) ++given_up_;
    has_leaks_ |= facts->announced_only != 0;
  }

  void add_note(std::string what, u64 count, std::string why, bool incomplete) {
    if (count != 0)
      report_.coverage.push_back({.what = std::move(what), .count = count, .why = std::move(why), .incomplete = incomplete});
  }

  void add_coverage() {
    add_note("files", report_.failed_files, "could not be read, or have nothing that orphan knows; standard error says why",
             true);
    add_note("places in files", complaints_, "were not understood; standard error has the lines", true);
    add_note("leaks that logs only count", announced_,
             "\"new suspected memory leaks\" of kernels that print no more (kmemleak.verbose=1 makes them): read "
             "/sys/kernel/debug/kmemleak there",
             true);
    add_note("files in which kmemleak says that it has stopped", given_up_, "what leaked later is not in them", true);
    add_note("objects that a file lists again", repeated_, "counted once", false);
    for (Coverage& entry : symboliser_.coverage()) report_.coverage.push_back(std::move(entry));
  }

  const ReportCommand& command_;
  logs::Symboliser& symboliser_;
  logs::GroupTable table_;
  logs::MergedReport report_;
  u64 complaints_ = 0, repeated_ = 0, announced_ = 0, given_up_ = 0;
  bool has_leaks_ = false;
};

std::string print(const logs::MergedReport& report, const ReportCommand& command) {
  u64 top = shown_groups(command);
  switch (command.format) {
    case Format::Text: return logs::to_text(report, top);
    case Format::Json: return logs::to_json(report, top);
    case Format::Kmemleak: return logs::to_kmemleak(report, top);
    case Format::Pprof: return logs::to_pprof(report, top);
  }
  bug("no such format");
}

int finish(const ReportCommand& command, const std::string& text, int status) {
  auto written = command.output.empty() ? write_stdout(text) : write_output(command.output, text);
  if (written) return status;
  complain(written.error().text());
  return kCouldNotLook;
}

int run_merge(const ReportCommand& command, logs::Symboliser& symboliser) {
  Reading reading(command, symboliser);
  for (const std::string& path : command.files) reading.read(path);
  bool has_leaks = reading.has_leaks();
  logs::MergedReport report = reading.take();
  if (report.files == 0) {
    // Of a directory without files nothing has been said yet.
    if (report.failed_files == 0) complain(fmt::format("{}: there are no files in it", command.files.front()));
    return kCouldNotLook;
  }
  // A file that could not be read may have had some.
  int status = has_leaks ? kLeaks : report.failed_files != 0 ? kCouldNotLook : kClean;
  return finish(command, print(report, command), status);
}

int run_diff(const ReportCommand& command, logs::Symboliser& symboliser) {
  std::vector<logs::MergedReport> reports;
  for (const std::string& path : command.files) {
    Reading reading(command, symboliser);
    reading.read(path);
    reports.push_back(reading.take());
  }
  // What could not be read would be new, or gone.
  bool is_whole = std::ranges::all_of(
      reports, [](const logs::MergedReport& report) { return report.files != 0 && report.failed_files == 0; });
  if (!is_whole) return kCouldNotLook;
  logs::Difference difference = logs::difference(reports[0], reports[1]);
  logs::DifferenceOf of{
      .before = reports[0], .after = reports[1], .before_name = command.files[0], .after_name = command.files[1]};
  std::string text = command.format == Format::Json ? logs::to_json(of, difference, shown_groups(command))
                                                    : logs::to_text(of, difference, shown_groups(command));
  return finish(command, text, difference.fresh.empty() && difference.grown.empty() ? kClean : kLeaks);
}

}  // namespace

int run_report(const ReportCommand& command) {
  auto checked = check_output(command.output);
  if (!checked) {
    complain(checked.error().text());
    return kCouldNotLook;
  }
  auto symboliser = logs::Symboliser::open(
      {.kallsyms = command.kallsyms, .vmlinux = command.vmlinux, .module_directories = command.module_directories});
  if (!symboliser) {
    complain(symboliser.error().text());
    return kCouldNotLook;
  }
  return command.diff ? run_diff(command, *symboliser) : run_merge(command, *symboliser);
}

}  // namespace orphan::cli
