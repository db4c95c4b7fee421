// SPDX-License-Identifier: Apache-2.0
#include "serve/figures.h"

namespace orphan::serve {
namespace {

std::string stack_of(const Leak& leak) {
  std::vector<std::string> functions;
  for (const Frame& frame : leak.stack) {
    if (!frame.is_inlined) functions.push_back(frame.symbol.empty() ? "unknown" : frame.symbol);
  }
  return stack_label(functions);
}

MetricsFigures::Scan scan_of(const Report& report) {
  MetricsFigures::Scan scan{.end_unix_s = report.started_unix_s + static_cast<i64>(report.seconds), .duration_s = report.seconds};
  Tally all = examined(report);
  scan.blocks = all.count;
  scan.bytes = all.bytes;
  for (const Coverage& entry : report.coverage) {
    if (!entry.incomplete) continue;
    ++scan.incomplete_parts;
    scan.unread_bytes += entry.bytes;
  }
  return scan;
}

}  // namespace

MetricsFigures figures_of(const Report* report, const Status& status) {
  MetricsFigures figures{.cleared = status.cleared,
                         .suspects_total = status.new_in_all,
                         .scans_total = status.scans,
                         .is_off = status.settings.is_off};
  if (report != nullptr) {
    figures.last_scan = scan_of(*report);
    for (const Leak& leak : report->leaks) {
      figures.caches.push_back({leak.cache, leak.total.count, leak.total.bytes});
      figures.stacks.push_back({stack_of(leak), leak.total.count, leak.total.bytes});
    }
  }
  if (status.tracking) {
    figures.tracker = MetricsFigures::Tracker{.events = status.tracking->events,
                                              .lost = status.tracking->lost + status.tracking->missed_runs,
                                              .replaced = status.tracking->replaced};
  }
  return figures;
}

}  // namespace orphan::serve
