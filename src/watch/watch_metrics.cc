// SPDX-License-Identifier: Apache-2.0
#include "watch/watch_metrics.h"

#include <utility>

namespace orphan::watch {
namespace {

constexpr std::size_t kMostCaches = 30, kMostCallers = 20, kMostProcesses = 20, kMostCgroups = 20, kMostLeaks = 50;
// Lines of meminfo: there are some 60.
constexpr std::size_t kMostLines = 100;

using metrics::Metric;

// "comm pid start": the start is for telling two of the same number, and a series of a database has a time anyway.
std::string process_label(std::string_view name) {
  return std::string(name.substr(0, name.rfind(' ')));
}

Metric gauge(std::string_view name, std::string_view help, double value) {
  return {.name = name, .help = help, .samples = {{.label = {}, .value = value}}};
}

}  // namespace

void WatchMetrics::add(const Reading& reading) {
  auto add_to = [&](std::vector<metrics::MetricSample>& samples, std::string label) {
    samples.push_back({std::move(label), static_cast<double>(reading.value) * static_cast<double>(reading.scale)});
  };
  switch (reading.kind) {
    case Kind::Memory:
      if (reading.unit == Unit::Bytes) add_to(memory_, std::string(reading.field));
      break;
    case Kind::Slab:
      if (reading.field == "bytes") add_to(slabs_, std::string(reading.name));
      break;
    case Kind::Vmalloc:
      if (reading.field == "bytes") add_to(callers_, std::string(reading.name));
      break;
    case Kind::Process:
      if (reading.field == "rss") add_to(processes_, process_label(reading.name));
      break;
    case Kind::Cgroup:
      if (reading.field == "current") add_to(cgroups_, std::string(reading.name));
      break;
    case Kind::Pressure: add_to(pressure_, std::string(reading.field)); break;
    case Kind::Kmemleak: add_to(records_, std::string(reading.name)); break;
    case Kind::Site:
    case Kind::Buddy:
    case Kind::Processes: break;
  }
}

std::vector<Metric> WatchMetrics::take(const LiveTrends& trends, const Counts& counts) {
  std::vector<Metric> all;
  auto add = [&](std::string_view name, std::string_view help, std::string_view label,
                 std::vector<metrics::MetricSample>& samples, std::size_t most) {
    if (samples.empty()) return;
    all.push_back(
        {.name = name, .help = help, .label_name = label, .samples = metrics::largest(std::exchange(samples, {}), most)});
  };
  add("orphan_watch_memory_bytes", "Lines of /proc/meminfo.", "line", memory_, kMostLines);
  add("orphan_watch_slab_bytes", "Memory of slab caches.", "cache", slabs_, kMostCaches);
  add("orphan_watch_vmalloc_bytes", "Pages of vmalloc areas, by calling function.", "caller", callers_, kMostCallers);
  add("orphan_watch_process_rss_bytes", "Resident memory of processes, by name and number.", "process", processes_,
      kMostProcesses);
  add("orphan_watch_cgroup_bytes", "Memory that is charged to cgroups; those above have that of those below, too.", "cgroup",
      cgroups_, kMostCgroups);
  add("orphan_watch_pressure_microseconds", "Time in which tasks waited for memory, since the boot.", "share", pressure_,
      kMostLines);
  add("orphan_watch_kmemleak_records", "Records in the files of kmemleak and of orphan serve.", "file", records_, kMostLines);
  std::vector<metrics::MetricSample> bytes, others;
  for (const auto& [id, row] : trends.leaks())
    (row.series.unit == Unit::Bytes ? bytes : others).push_back({name_of(row.series), row.trend.rate});
  add("orphan_watch_growth_bytes_per_hour", "What leaks, by its trend.", "series", bytes, kMostLeaks);
  add("orphan_watch_growth_per_hour", "What leaks and is not counted in bytes, by its trend.", "series", others, kMostLeaks);
  all.push_back(gauge("orphan_watch_leaks", "Series that leak, by their trends.", static_cast<double>(trends.leaks().size())));
  all.push_back(gauge("orphan_watch_last_sample_timestamp_seconds", "When the last sample was taken.",
                      static_cast<double>(counts.wall_ms) / 1000));
  all.push_back(gauge("orphan_watch_alarms_waiting", "Alarms that the command has not taken yet.",
                      static_cast<double>(counts.waiting_alarms)));
  Metric samples = gauge("orphan_watch_samples_total", "Samples that were taken.", static_cast<double>(counts.samples));
  Metric lost = gauge("orphan_watch_lost_samples_total", "Samples that could not be stored.", static_cast<double>(counts.lost));
  samples.is_counter = lost.is_counter = true;
  all.push_back(std::move(samples));
  all.push_back(std::move(lost));
  return all;
}

}  // namespace orphan::watch
