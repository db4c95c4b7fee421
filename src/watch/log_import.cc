// SPDX-License-Identifier: Apache-2.0
#include "watch/log_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "watch/date.h"
#include "watch/line_reader.h"

namespace orphan::watch {
namespace {

constexpr u64 kMostComplaints = 10;
constexpr i64 kPageBytes = 4096;
// Only signs: what scripts draw between samples.
bool is_separator(std::string_view text) {
  return std::ranges::none_of(text,
                              [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

// Commands that a shell or script has printed, names of files above their contents, headings, and what other tools say of the
// same numbers.
bool is_heading(std::string_view text) {
  for (std::string_view part : {"/proc/", "load average:", "<active_objs>", "total:    used:"}) {
    if (text.find(part) != std::string_view::npos) return true;
  }
  text = trimmed(text);
  text.remove_prefix(std::min(text.find_first_not_of("#=-*$+<>[]: "), text.size()));
  text.remove_suffix(text.size() - std::min(text.find_last_not_of("#=-*$+<>[]: ") + 1, text.size()));
  for (std::string_view name : {"meminfo", "slabinfo", "vmallocinfo", "buddyinfo", "allocinfo", "uptime", "date", "free", "ps"}) {
    if (text == name || (text.starts_with(name) && text.substr(name.size()).starts_with(" -"))) return true;
  }
  for (std::string_view start : {"Mem:", "Swap:", "-/+ buffers", "buffers/cache", "ps aux", "ps w"}) {
    if (text.starts_with(start)) return true;
  }
  return text.starts_with("total ") && text.find("free") != std::string_view::npos;
}

}  // namespace

void LogImport::complain(const Line& line, std::string_view why) {
  if (++junk_ > kMostComplaints) return;
  std::string text(line.text.substr(0, 60));
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  notice_(fmt::format("{}:{}: {}: {}", line.path, line.number, why, text));
}

bool LogImport::has_time(const Line& line) {
  if (wall_ms_) return true;
  // Once for each stretch without a date.
  if (!std::exchange(is_without_date_, true)) complain(line, "no date stands before this");
  return false;
}

Result<void> LogImport::read(const std::string& path) {
  LineReader reader = TRY(LineReader::open(path));
  for (;;) {
    std::optional<std::string_view> text = TRY(reader.next());
    if (!text) return {};
    TRY(take({path, reader.number(), *text}));
  }
}

Result<void> LogImport::finish() {
  TRY(end_sample());
  if (junk_ > kMostComplaints) notice_(fmt::format("{} lines in all were not understood", junk_));
  return store_.finish();
}

Result<void> LogImport::take(const Line& line) {
  if (is_separator(line.text)) return {};
  if (std::optional<Date> date = parse_date(line.text)) {
    if (!date->unknown_zone.empty() && zones_.insert(date->unknown_zone).second)
      notice_(fmt::format("{}:{}: the time zone {} is not known: taken for UTC", line.path, line.number, date->unknown_zone));
    return begin_sample(date->unix_ms);
  }
  if (take_kernel_text(line) || take_uptime(line.text)) return {};
  if (auto table = ProcessTable::parse_heading(line.text)) {
    processes_ = table;
    slabs_.reset();
    return {};
  }
  if (is_heading(line.text)) return {};
  if (!take_process(line)) complain(line, "not understood");
  return {};
}

bool LogImport::take_kernel_text(const Line& line) {
  if (auto version = parse_slabinfo_version(line.text)) {
    slabs_ = version;
    processes_.reset();
    return true;
  }
  if (auto memory = parse_meminfo(line.text)) {
    if (!has_time(line)) return true;
    if (!readings_.has_field(Kind::Memory, memory->name)) {
      add_line(readings_, *memory);
    } else if (!std::exchange(is_repeated_, true)) {
      complain(line, "the same again under one date, of which the first counts");
    }
    return true;
  }
  bool is_marked = line.text.find(": slabdata") != std::string_view::npos;
  if (slabs_ || is_marked) {
    auto slab = parse_slabinfo(line.text, is_marked ? SlabVersion::Two : *slabs_);
    if (slab && has_time(line)) add_line(readings_, *slab, kPageBytes);
    if (slab) return true;
  }
  if (auto caller = parse_vmallocinfo(line.text)) {
    if (has_time(line)) take_caller(*caller);
    return true;
  }
  if (auto buddy = parse_buddyinfo(line.text)) {
    if (has_time(line)) add_line(readings_, *buddy);
    return true;
  }
  return false;
}

void LogImport::take_caller(const VmallocLine& line) {
  std::string name(line.caller);
  if (!line.module.empty()) name += fmt::format(" [{}]", line.module);
  Sums::Caller& caller = sums_.callers[name];
  ++caller.areas;
  caller.pages += line.pages.value_or(0);
}

// "12345.67 54321.00"
bool LogImport::take_uptime(std::string_view text) {
  Words words(text);
  auto up = number_in<double>(words.next()), idle = number_in<double>(words.next());
  constexpr double kMost = 1e10;
  if (!up || !idle || !words.rest().empty() || text.find('.') == std::string_view::npos || *up < 0 || *up > kMost) return false;
  uptime_ms_ = static_cast<i64>(*up * 1000);
  return true;
}

bool LogImport::take_process(const Line& line) {
  if (!processes_) return false;
  auto process = processes_->parse(line.text);
  if (!process) return false;
  if (has_time(line)) add_process(*process);
  return true;
}

void LogImport::add_process(const ProcessTable::Process& process) {
  // Threads of the kernel have no memory of their own.
  bool is_kernels = process.comm.starts_with('[') || (process.rss_kb == 0 && process.virtual_kb.value_or(0) == 0);
  if (is_kernels) return;
  std::string name = fmt::format("{} {} -", process.comm, process.pid);
  auto add = [&](std::string_view field, Unit unit, i64 scale, std::optional<i64> value) {
    if (!value) return;
    readings_.add({.kind = Kind::Process, .unit = unit, .scale = scale, .name = name, .field = field, .value = *value});
  };
  add("rss", Unit::Bytes, 1024, process.rss_kb);
  add("virtual", Unit::Bytes, 1024, process.virtual_kb);
  add("threads", Unit::Count, 1, process.threads);
  ++sums_.processes;
  sums_.rss_kb += process.rss_kb.value_or(0);
}

Result<void> LogImport::begin_sample(i64 wall_ms) {
  TRY(end_sample());
  wall_ms_ = wall_ms;
  is_without_date_ = is_repeated_ = false;
  return {};
}

void LogImport::add_sums() {
  for (const auto& [name, caller] : sums_.callers) {
    readings_.add({.kind = Kind::Vmalloc, .name = name, .field = "areas", .value = caller.areas});
    readings_.add(
        {.kind = Kind::Vmalloc, .unit = Unit::Bytes, .scale = kPageBytes, .name = name, .field = "bytes", .value = caller.pages});
  }
  if (sums_.processes == 0) return;
  readings_.add({.kind = Kind::Processes, .field = "processes", .value = sums_.processes});
  if (sums_.rss_kb != 0)
    readings_.add({.kind = Kind::Processes, .unit = Unit::Bytes, .scale = 1024, .field = "rss", .value = sums_.rss_kb});
}

bool LogImport::is_another_boot() const {
  if (!last_) return true;
  if (knows_uptime_ && uptime_ms_) return *uptime_ms_ < last_->boot_ms;
  return !knows_uptime_ && *wall_ms_ < last_->wall_ms;
}

// Where the first sample of a boot has no uptime, its clock counts from 1970, and is that of the wall.
Stamp LogImport::stamp() {
  i64 boot_ms = *wall_ms_;
  if (knows_uptime_) {
    boot_ms = uptime_ms_ ? *uptime_ms_ : last_->boot_ms + std::max<i64>(*wall_ms_ - last_->wall_ms, 0);
  }
  return {.wall_ms = *wall_ms_, .boot_ms = boot_ms, .awake_ms = boot_ms};
}

Result<void> LogImport::end_sample() {
  processes_.reset();
  slabs_.reset();
  if (!wall_ms_) return {};
  add_sums();
  sums_ = {};
  if (!readings_.is_empty()) {
    if (is_another_boot()) {
      TRY(store_.begin_boot(
          {.boot_id = fmt::format("import-{}", ++boots_), .host = "", .release = "", .page_bytes = kPageBytes}));
      knows_uptime_ = uptime_ms_.has_value();
    }
    last_ = stamp();
    readings_.move_to(store_);
    TRY(store_.end(*last_));
    ++samples_;
  }
  wall_ms_.reset();
  uptime_ms_.reset();
  return {};
}

Result<i64> first_date(const std::string& path) {
  LineReader reader = TRY(LineReader::open(path));
  for (;;) {
    std::optional<std::string_view> line = TRY(reader.next());
    if (!line) return Error(ErrorCode::BadData, path + ": no line of it is a date");
    if (auto date = parse_date(*line)) return date->unix_ms;
  }
}

}  // namespace orphan::watch
