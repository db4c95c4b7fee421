// SPDX-License-Identifier: Apache-2.0
// Merged reports and differences for an engineer at a terminal, as the text of a scan is.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "logs/merged_report.h"
#include "report/format.h"
#include "report/leak_lines.h"
#include "report/print.h"

namespace orphan::logs {
namespace {

std::string sizes_of(const Group& group) {
  if (group.least_bytes == group.most_bytes) return fmt::format("{} B", group.most_bytes);
  return fmt::format("{}-{} B", group.least_bytes, group.most_bytes);
}

std::string what_of(const Group& group) {
  std::string text = group.leak.cache.empty() ? "(cache not told)" : printable(group.leak.cache);
  if (!group.leak.type.empty())
    print(text, ": {}{}", group.leak.type_reason.empty() ? "" : "likely ", printable(group.leak.type));
  return text;
}

std::string seen_line(const Group& group, const MergedReport& report) {
  if (report.files < 2 && group.files < 2 && group.hosts < 2) return {};
  std::string out;
  label(out, "seen");
  print(out, "in {} of {}", with_commas(group.files), counted(std::max(report.files, group.files), "file"));
  if (group.hosts != group.files) print(out, ", on {}", counted(group.hosts, "host"));
  return out + '\n';
}

std::string details(const Group& group, const MergedReport& report) {
  std::string out = type_lines(group.leak) + stack_lines(group.leak);
  if (group.stacks.size() > 1) {
    label(out, "");
    bool are_all = group.stacks.size() < GroupTable::kMaxStacks;
    print(out, "({}{} stacks that differ in offsets only)\n", are_all ? "" : "at least ", group.stacks.size());
  }
  out += task_lines(group.leak) + seen_line(group, report);
  if (group.without_size != 0) {
    label(out, "note");
    print(out, "of {} only the number is known: bytes as if all were like the first\n", counted(group.without_size, "block"));
  }
  label(out, "id");
  print(out, "{:016x}\n", group.fingerprint);
  return out;
}

std::string group_lines(const Group& group, const MergedReport& report) {
  std::string out = fmt::format("{:>8}  {:>10}  {:>10}  {}\n", with_commas(group.leak.total.count),
                                human_bytes(group.leak.total.bytes), sizes_of(group), what_of(group));
  return out + details(group, report);
}

std::string table(const std::vector<Group>& groups, const MergedReport& report, u64 top) {
  if (groups.empty()) return {};
  std::string out = '\n' + std::string(kGroupTitle);
  std::size_t shown = static_cast<std::size_t>(std::min<u64>(top, groups.size()));
  for (const Group& group : std::span(groups).first(shown)) {
    if (&group != &groups.front()) out += '\n';
    out += group_lines(group, report);
  }
  Tally rest;
  for (const Group& group : std::span(groups).subspan(shown)) rest += group.leak.total;
  if (rest.count != 0) {
    print(out, "\n{:>8}  {:>10}  in {}: --top shows more, --format=json all\n", with_commas(rest.count), human_bytes(rest.bytes),
          counted(groups.size() - shown, "smaller group"));
  }
  return out;
}

std::string verdict(const std::vector<Group>& groups, std::string_view what) {
  Tally all = total(groups);
  return fmt::format("{}, {}, in {}\n", counted(all.count, what), human_bytes(all.bytes), counted(groups.size(), "group"));
}

std::string coverage_of(const MergedReport& report) {
  auto [unseen, facts] = coverage_lines(report.coverage);
  std::string out;
  if (!unseen.empty()) out += "\nNOT SEEN\n" + unseen;
  if (!facts.empty()) out += "\nNOTES\n" + facts;
  return out;
}

std::string signed_bytes(u64 before, u64 after) {
  return after >= before ? "+" + human_bytes(after - before) : "-" + human_bytes(before - after);
}

std::string signed_count(u64 before, u64 after) {
  return after >= before ? "+" + with_commas(after - before) : "-" + with_commas(before - after);
}

std::string change_lines(const Change& change, const DifferenceOf& of) {
  const Group& group = change.after != nullptr ? *change.after : *change.before;
  Tally before = change.before != nullptr ? change.before->leak.total : Tally{};
  Tally after = change.after != nullptr ? change.after->leak.total : Tally{};
  std::string out = fmt::format("{:>8}  {:>10}  {:>10}  {}\n", signed_count(before.count, after.count),
                                signed_bytes(before.bytes, after.bytes), sizes_of(group), what_of(group));
  if (change.before != nullptr && change.after != nullptr) {
    label(out, "from");
    print(out, "{}, {}, to {}, {}\n", counted(before.count, "block"), human_bytes(before.bytes), counted(after.count, "block"),
          human_bytes(after.bytes));
  }
  return out + details(group, change.after != nullptr ? of.after : of.before);
}

std::string changes(std::string_view title, const std::vector<Change>& all, const DifferenceOf& of, u64 top) {
  if (all.empty()) return {};
  std::string out = fmt::format("\n{}\n{}", title, kGroupTitle);
  std::size_t shown = static_cast<std::size_t>(std::min<u64>(top, all.size()));
  for (const Change& change : std::span(all).first(shown)) {
    if (&change != &all.front()) out += '\n';
    out += change_lines(change, of);
  }
  if (all.size() > shown) print(out, "\n  +{} more: --top shows them\n", counted(all.size() - shown, "group"));
  return out;
}

}  // namespace

std::string to_text(const MergedReport& report, u64 top) {
  std::string out = report.leaks.empty() && !report.allocated.empty() ? "" : verdict(report.leaks, "leaked block");
  if (!report.allocated.empty()) out += verdict(report.allocated, "allocated block");
  print(out, "read: {}", counted(report.files, "file"));
  if (report.hosts != 0 && report.hosts != report.files) print(out, ", with blocks of {}", counted(report.hosts, "host"));
  if (report.failed_files != 0) print(out, "; {} could not be read", counted(report.failed_files, "other"));
  print(out, ", orphan {}\n", printable(report.version));
  out += table(report.leaks, report, top);
  if (!report.allocated.empty())
    out += "\nALLOCATED; nobody says that it leaks\n" + table(report.allocated, report, top).substr(1);
  return out + coverage_of(report);
}

std::string to_text(const DifferenceOf& of, const Difference& difference, u64 top) {
  std::string out =
      fmt::format("{} new, {} grown, {} smaller, {} gone, {} unchanged\n", counted(difference.fresh.size(), "group"),
                  with_commas(difference.grown.size()), with_commas(difference.shrunk.size()),
                  with_commas(difference.gone.size()), with_commas(difference.unchanged));
  struct Side {
    std::string_view word;
    const std::string& name;
    const MergedReport& report;
  };
  for (const Side& side : {Side{"from", of.before_name, of.before}, Side{"to", of.after_name, of.after}}) {
    Tally all = total(side.report.leaks);
    all += total(side.report.allocated);
    print(out, "{}: {}: {}, {}\n", side.word, printable(side.name), counted(all.count, "block"), human_bytes(all.bytes));
  }
  out += changes("NEW", difference.fresh, of, top) + changes("GROWN", difference.grown, of, top) +
         changes("SMALLER", difference.shrunk, of, top) + changes("GONE", difference.gone, of, top);
  return out + coverage_of(of.after);
}

}  // namespace orphan::logs
