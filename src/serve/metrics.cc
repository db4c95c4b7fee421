// SPDX-License-Identifier: Apache-2.0
#include "serve/metrics.h"

#include <algorithm>
#include <map>
#include <utility>

namespace orphan::serve {
namespace {

using metrics::Metric;

constexpr std::string_view kOther = "other";

// The two metrics of what is leaked, objects and bytes, by one label.
void add_leaked(std::vector<Metric>& metrics, Metric objects, Metric bytes, std::span<const LeakedAmount> amounts) {
  for (const LeakedAmount& amount : amounts) {
    objects.samples.push_back({amount.label, static_cast<double>(amount.objects)});
    bytes.samples.push_back({amount.label, static_cast<double>(amount.bytes)});
  }
  metrics.push_back(std::move(objects));
  metrics.push_back(std::move(bytes));
}

}  // namespace

std::vector<LeakedAmount> largest(std::span<const LeakedAmount> amounts, std::size_t most) {
  std::map<std::string, LeakedAmount> by_label;
  LeakedAmount other{.label = std::string(kOther)};
  auto add = [](LeakedAmount& to, const LeakedAmount& amount) {
    to.objects += amount.objects;
    to.bytes += amount.bytes;
  };
  for (const LeakedAmount& amount : amounts) {
    std::string label = metrics::label_text(amount.label);
    // Something that has this name itself can only be counted with the rest.
    add(label == kOther ? other : by_label[label], amount);
  }
  std::vector<LeakedAmount> result;
  for (auto& [label, amount] : by_label) result.push_back({label, amount.objects, amount.bytes});
  std::ranges::stable_sort(result, [](const LeakedAmount& a, const LeakedAmount& b) {
    return std::pair(a.bytes, a.objects) > std::pair(b.bytes, b.objects);
  });
  for (std::size_t i = most; i < result.size(); ++i) add(other, result[i]);
  result.resize(std::min(result.size(), most));
  result.push_back(std::move(other));
  return result;
}

std::string stack_label(std::span<const std::string> functions) {
  if (functions.empty()) return "unknown";
  return functions.size() == 1 ? functions[0] : functions[0] + " < " + functions[1];
}

std::vector<Metric> metrics_of(const MetricsFigures& figures) {
  std::vector<Metric> metrics;
  auto gauge = [&](std::string_view name, std::string_view help, double value) {
    metrics.push_back({.name = name, .help = help, .samples = {{"", value}}});
  };
  auto counter = [&](std::string_view name, std::string_view help, u64 value) {
    metrics.push_back({.name = name, .help = help, .is_counter = true, .samples = {{"", static_cast<double>(value)}}});
  };
  add_leaked(metrics,
             {.name = "orphan_leaked_objects",
              .help = "Unreferenced objects that are listed now, by cache: the largest, and all others together.",
              .label_name = "cache"},
             {.name = "orphan_leaked_bytes", .help = "Bytes of these objects.", .label_name = "cache"},
             largest(figures.caches, kMostCaches));
  add_leaked(
      metrics,
      {.name = "orphan_leaked_stack_objects",
       .help = "Unreferenced objects that are listed now, by the innermost two functions of the stack that allocated them: the "
               "largest, and all others together.",
       .label_name = "stack"},
      {.name = "orphan_leaked_stack_bytes", .help = "Bytes of these objects.", .label_name = "stack"},
      largest(figures.stacks, kMostStacks));
  gauge("orphan_cleared_objects", "Objects that were cleared: not listed any more, until they are freed.",
        static_cast<double>(figures.cleared));
  counter("orphan_suspects_total", "Objects that were reported as new suspected leaks.", figures.suspects_total);
  counter("orphan_scans_total", "Scans that were finished.", figures.scans_total);
  gauge("orphan_off", "1 when the daemon was switched off with the command off, otherwise 0.", figures.is_off ? 1 : 0);
  if (const auto& scan = figures.last_scan) {
    gauge("orphan_scan_timestamp_seconds", "When the last scan ended, in seconds since 1970: its age is time() less this.",
          static_cast<double>(scan->end_unix_s));
    gauge("orphan_scan_duration_seconds", "How long the last scan took, the waits between its passes included.",
          scan->duration_s);
    gauge("orphan_scan_examined_blocks", "Live blocks that the last scan judged.", static_cast<double>(scan->blocks));
    gauge("orphan_scan_examined_bytes", "Bytes of these blocks.", static_cast<double>(scan->bytes));
    gauge("orphan_scan_incomplete_parts", "Parts that the last scan could not see whole: the lines 'not seen' of the status.",
          static_cast<double>(scan->incomplete_parts));
    gauge("orphan_scan_unread_bytes", "Bytes that the last scan could not read.", static_cast<double>(scan->unread_bytes));
  }
  if (const auto& tracker = figures.tracker) {
    counter("orphan_tracked_allocations_total", "Allocations that were traced.", tracker->events);
    counter("orphan_tracker_lost_total", "Allocations that could not be noted: leaks among them have no stack.", tracker->lost);
    counter("orphan_tracker_replaced_total", "Notes that took the place of another one, whose block may live.",
            tracker->replaced);
  }
  return metrics;
}

}  // namespace orphan::serve
