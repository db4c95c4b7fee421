// SPDX-License-Identifier: Apache-2.0
#include "report/leak_lines.h"

#include <fmt/format.h>

#include <algorithm>
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
constexpr std::size_t kMaxCgroups = 3;

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
  for (std::size_t i = 0; i < std::min(leak.stack.size(), kMaxFrames); ++i) {
    const Frame& frame = leak.stack[i];
    label(out, i != 0 ? "" : leak.stack.size() == 1 ? "caller" : "stack");
    out += to_string(frame);
    if (!frame.file.empty()) print(out, " {}:{}", printable(frame.file), frame.line);
    out += '\n';
  }
  if (leak.stack.size() > kMaxFrames) {
    label(out, "");
    print(out, "+{} more frames\n", leak.stack.size() - kMaxFrames);
  }
  return out;
}

std::string task_lines(const Leak& leak) {
  std::vector<std::string> tasks;
  std::optional<double> youngest, oldest;
  for (const LeakedObject& object : leak.objects) {
    if (object.age_s) {
      youngest = std::min(youngest.value_or(*object.age_s), *object.age_s);
      oldest = std::max(oldest.value_or(*object.age_s), *object.age_s);
    }
    if (!object.pid) continue;
    std::string task = fmt::format("pid {}", *object.pid);
    if (!object.comm.empty()) print(task, " ({})", printable(object.comm));
    if (std::ranges::find(tasks, task) == tasks.end()) tasks.push_back(std::move(task));
  }
  if (tasks.empty() && !oldest) return {};
  std::string text = fmt::format("{}", fmt::join(std::span(tasks).first(std::min(tasks.size(), kMaxTasks)), ", "));
  if (tasks.size() > kMaxTasks) print(text, " +{} more", with_commas(tasks.size() - kMaxTasks));
  if (oldest) {
    std::string young = fmt::format("{:.0f}", *youngest), old = fmt::format("{:.0f}", *oldest);
    print(text, "{}{} s ago", text.empty() ? "" : ", ", young == old ? old : young + " to " + old);
  }
  std::string out;
  label(out, "by");
  return out + text + '\n';
}

std::string cgroup_lines(const Leak& leak) {
  std::string out;
  if (leak.cgroups.empty()) return out;
  std::string text;
  for (std::size_t i = 0; i < std::min(leak.cgroups.size(), kMaxCgroups); ++i) {
    const Counted& cgroup = leak.cgroups[i];
    print(text, "{}{}", i == 0 ? "" : ", ", printable(cgroup.text));
    if (leak.total.count > 1) print(text, " ({})", with_commas(cgroup.count));
  }
  if (leak.cgroups.size() > kMaxCgroups) print(text, ", +{} more", with_commas(leak.cgroups.size() - kMaxCgroups));
  label(out, "cgroup");
  return wrapped(out, text);
}

CoverageLines coverage_lines(const std::vector<Coverage>& coverage) {
  CoverageLines lines;
  for (const Coverage& entry : coverage) (entry.incomplete ? lines.unseen : lines.facts) += coverage_line(entry);
  return lines;
}

}  // namespace orphan
