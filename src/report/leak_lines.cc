// SPDX-License-Identifier: Apache-2.0
#include "report/leak_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "report/format.h"
#include "report/print.h"

namespace orphan {
namespace {

constexpr std::size_t kMaxAliases = 2;
constexpr std::size_t kMaxFrames = 16;
constexpr std::size_t kMaxTasks = 3;
constexpr std::size_t kMaxCounted = 3;
constexpr u64 kMinBlocksOfRate = 5;  // that of fewer says nothing

std::string cache_and_type(const Leak& leak) {
  std::string text = printable(leak.cache);
  if (!leak.aliases.empty()) {
    text += " (also: ";
    for (std::size_t i = 0; i < std::min(leak.aliases.size(), kMaxAliases); ++i) {
      print(text, "{}{}", i == 0 ? "" : ", ", printable(leak.aliases[i]));
    }
    if (leak.aliases.size() > kMaxAliases) print(text, ", +{}", leak.aliases.size() - kMaxAliases);
    text += ')';
  }
  if (!leak.type.empty()) print(text, ": {}{}", leak.type_reason.empty() ? "" : "likely ", printable(leak.type));
  return text;
}

std::string coverage_line(const Coverage& coverage) {
  std::string amount;
  if (coverage.count != 0) amount = with_commas(coverage.count);
  if (coverage.bytes != 0) print(amount, "{}{}", amount.empty() ? "" : ", ", human_bytes(coverage.bytes));
  std::string text = printable(coverage.what);
  if (!amount.empty()) print(text, " ({})", amount);
  if (!coverage.why.empty()) print(text, ": {}", printable(coverage.why));
  return wrapped("  ", text);
}

// "a (3), b (1), +2 more", or without the counts.
std::string counted_texts(const std::vector<Counted>& all, bool has_counts) {
  std::string text;
  for (const Counted& each : std::span(all).first(std::min(all.size(), kMaxCounted))) {
    print(text, "{}{}", text.empty() ? "" : ", ", printable(each.text));
    if (has_counts) print(text, " ({})", with_commas(each.count));
  }
  if (all.size() > kMaxCounted) print(text, ", +{} more", with_commas(all.size() - kMaxCounted));
  return text;
}

// Of the objects that are listed: "pid 12 (insmod), pid 13"; "pid 12, 13" where the names stand elsewhere.
std::string pids_of(const Leak& leak) {
  bool has_names = leak.comms.empty();
  std::vector<std::string> tasks;
  for (const LeakedObject& object : leak.objects) {
    if (!object.pid) continue;
    std::string task = fmt::format("{}{}", has_names ? "pid " : "", *object.pid);
    if (has_names && !object.comm.empty()) print(task, " ({})", printable(object.comm));
    if (std::ranges::find(tasks, task) == tasks.end()) tasks.push_back(std::move(task));
  }
  if (tasks.empty()) return {};
  std::string text = has_names ? "" : "pid ";
  text += fmt::format("{}", fmt::join(std::span(tasks).first(std::min(tasks.size(), kMaxTasks)), ", "));
  if (tasks.size() > kMaxTasks) print(text, " +{} more", with_commas(tasks.size() - kMaxTasks));
  return text;
}

// Of the objects that are listed: "5 to 62 s ago".
std::string ages_of(const Leak& leak) {
  std::optional<double> youngest, oldest;
  for (const LeakedObject& object : leak.objects) {
    if (!object.age_s) continue;
    youngest = std::min(youngest.value_or(*object.age_s), *object.age_s);
    oldest = std::max(oldest.value_or(*object.age_s), *object.age_s);
  }
  if (!oldest) return {};
  std::string young = fmt::format("{:.0f}", *youngest), old = fmt::format("{:.0f}", *oldest);
  return fmt::format("{} s ago", young == old ? old : young + " to " + old);
}

// "0.14 a second": in the first unit of which there is a tenth.
std::string rate_text(double per_second) {
  struct Unit {
    std::string_view name;
    double seconds;
  };
  static constexpr Unit kUnits[] = {{"a second", 1}, {"a minute", 60}, {"an hour", 3600}};
  const Unit* unit = std::begin(kUnits);
  while (per_second * unit->seconds < 0.1 && unit + 1 != std::end(kUnits)) ++unit;
  double value = per_second * unit->seconds;
  // Two digits, and all of those before the point.
  if (value < 0.995) return fmt::format("{:.2g} {}", value, unit->name);
  if (value < 9.95) return fmt::format("{:.1f} {}", value, unit->name);
  constexpr double kMost = 1e15;  // of moments that all but coincide; it has to fit an integer
  return fmt::format("{} {}", with_commas(static_cast<u64>(std::round(std::min(value, kMost)))), unit->name);
}

// Of all blocks of which it is known: "first 300 s ago, last 6 s ago, 0.14 a second".
std::string times_of(const Leak& leak) {
  const AllocationTimes& times = *leak.times;
  std::string first = fmt::format("{:.0f} s ago", times.first_s), last = fmt::format("{:.0f} s ago", times.last_s);
  std::string text = first == last ? last : fmt::format("first {}, last {}", first, last);
  std::optional<double> per_second = rate(times);
  if (per_second && times.count >= kMinBlocksOfRate) print(text, ", {}", rate_text(*per_second));
  if (times.count < leak.total.count) print(text, " (known of {})", with_commas(times.count));
  return text;
}

}  // namespace

std::string group_line(const Leak& leak) {
  return fmt::format("{:>8}  {:>10}  {:>10}  {}\n", with_commas(leak.total.count), human_bytes(leak.total.bytes),
                     fmt::format("{} B", leak.object_size_bytes), cache_and_type(leak));
}

void label(std::string& out, std::string_view name) {
  print(out, "            {:<9}", name);
}

std::string type_lines(const Leak& leak) {
  std::string out;
  if (leak.type.empty() || leak.type_reason.empty()) return out;
  label(out, "likely");
  return wrapped(out, fmt::format("{}: {}", printable(leak.type), printable(leak.type_reason)));
}

std::string stack_lines(const Leak& leak) {
  std::string out;
  auto frames = static_cast<std::size_t>(std::ranges::count(leak.stack, false, &Frame::is_inlined));
  std::size_t shown = 0;
  for (const Frame& frame : leak.stack) {
    if (shown == kMaxFrames) break;
    label(out, !out.empty() ? "" : frames == 1 ? "caller" : "stack");
    print(out, "{}{}", frame.is_inlined ? "  " : "", to_string(frame));
    if (!frame.file.empty()) print(out, " {}:{}", printable(frame.file), frame.line);
    out += '\n';
    if (!frame.is_inlined) ++shown;
  }
  if (frames > shown) {
    label(out, "");
    print(out, "+{} more frames\n", frames - shown);
  }
  if (leak.inferred_stacks != 0) {
    label(out, "");
    print(out, "({} of {}: no stack was taken, and others from there have this one)\n", with_commas(leak.inferred_stacks),
          with_commas(leak.total.count));
  }
  return out;
}

std::string task_lines(const Leak& leak) {
  bool is_of_group = leak.times || !leak.comms.empty();
  bool has_counts = leak.comms.size() > 1 || (leak.comms.size() == 1 && leak.comms[0].count < leak.total.count);
  std::string names = counted_texts(leak.comms, has_counts), pids = pids_of(leak);
  if (leak.comms.size() == 1 && !has_counts && !pids.empty()) names += fmt::format(" ({})", std::exchange(pids, ""));
  std::vector<std::string> parts = {names, pids, leak.times ? times_of(leak) : ages_of(leak)};
  std::erase(parts, "");
  if (parts.empty()) return {};
  std::string out;
  label(out, "by");
  return wrapped(out, fmt::format("{}", fmt::join(parts, is_of_group ? "; " : ", ")));
}

std::string cgroup_lines(const Leak& leak) {
  std::string out;
  if (leak.cgroups.empty()) return out;
  label(out, "cgroup");
  return wrapped(out, counted_texts(leak.cgroups, leak.total.count > 1));
}

CoverageLines coverage_lines(const std::vector<Coverage>& coverage) {
  CoverageLines lines;
  for (const Coverage& entry : coverage) (entry.incomplete ? lines.unseen : lines.facts) += coverage_line(entry);
  return lines;
}

}  // namespace orphan
