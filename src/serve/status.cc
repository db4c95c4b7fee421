// SPDX-License-Identifier: Apache-2.0
#include "serve/status.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <iterator>

#include "report/format.h"

namespace orphan::serve {
namespace {

const char* on_or_off(bool is_on) {
  return is_on ? "on" : "off";
}

std::string time_text(i64 unix_s) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(unix_s)));
}

std::string tracking_text(const Status& status) {
  if (!status.tracking) return status.why_not_tracking.empty() ? "no" : "no: " + status.why_not_tracking;
  return "yes";
}

}  // namespace

std::string to_text(const Status& status) {
  std::string out;
  auto line = [&](std::string_view key, const auto& value) { fmt::format_to(std::back_inserter(out), "{}: {}\n", key, value); };
  line("target", status.target);
  line("state", on_or_off(!status.settings.is_off));
  line("scanning", status.is_scanning ? "yes" : "no");
  line("automatic scans", on_or_off(status.settings.has_automatic_scans));
  line("period", fmt::format("{:g} s", status.settings.period_ms / 1000.0));
  line("stack scanning", on_or_off(status.settings.scans_stacks));
  line("minimum age", fmt::format("{:g} s", status.settings.min_age_s));
  line("scans", status.scans);
  line("last scan", status.scans == 0 ? "never" : time_text(status.last_scan_unix_s));
  if (status.scans != 0) line("last scan seconds", fmt::format("{:.1f}", status.last_scan_s));
  if (!status.last_error.empty()) line("last scan failed", status.last_error);
  line("objects examined", status.examined.count);
  line("bytes examined", status.examined.bytes);
  line("leaks listed", status.listed.count);
  line("bytes listed", status.listed.bytes);
  if (status.omitted != 0) line("leaks not listed for want of room", status.omitted);
  line("cleared", status.cleared);
  line("new in the last scan", status.new_in_last);
  line("tracking", tracking_text(status));
  if (status.tracking) {
    line("allocations traced", status.tracking->events);
    line("lost events", status.tracking->lost + status.tracking->missed_runs);
    line("notes replaced", status.tracking->replaced);
  }
  for (const Coverage& entry : status.coverage) {
    if (!entry.incomplete) continue;
    std::string much = entry.bytes != 0 ? ", " + human_bytes(entry.bytes) : std::string();
    line("not seen", fmt::format("{}{}: {}", entry.what, much, entry.why));
  }
  return out;
}

}  // namespace orphan::serve
