// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "logs/slub_tracks.h"
#include "report/format.h"
#include "report/json.h"
#include "report/json_parts.h"
#include "report/leak_lines.h"
#include "report/outstanding.h"
#include "report/print.h"

namespace orphan::logs {
namespace {

constexpr int kSchema = 1;
constexpr std::size_t kShownSources = 3;

u64 without_size(const std::vector<Leak>& groups) {
  u64 count = 0;
  for (const Leak& group : groups) count += group.object_size_bytes == 0 ? group.total.count : 0;
  return count;
}

// What was counted, in words. What is incomplete may have hidden an allocation or a free.
std::vector<Coverage> coverage_of(const SlubReport& report) {
  const SlubCounts& counts = report.findings.counts;
  std::vector<Coverage> coverage;
  auto add = [&](std::string what, u64 count, std::string why, bool incomplete) {
    if (count != 0)
      coverage.push_back({.what = std::move(what), .count = count, .why = std::move(why), .incomplete = incomplete});
  };
  add("messages that the log lost", counts.lost_messages, "it says so itself; records among them are missing", true);
  add("records that could not be read", counts.damaged, "their first lines are cut or damaged", true);
  add("records without an address", counts.hidden, "the kernel printed (____ptrval____), as it does early in a boot", true);
  add("allocated twice without a free", counts.allocs_of_allocated, "the free's record is lost; the first one is taken as freed",
      true);
  add("allocations without a stack", counts.without_stack, "it is lost, or mixed with another CPU's", true);
  add("stacks without a record", counts.stacks_without_head, "its first line is lost", true);
  add("stacks that may be another CPU's", counts.unsure_stacks,
      "the lines of several CPUs are mixed, and do not say who printed them: a kernel with CONFIG_PRINTK_CALLER does", true);
  add("stacks left out", counts.stacks_left_out, fmt::format("more than {} different ones", with_commas(SlubStacks::kMaxStacks)),
      true);
  add("objects of unknown size", without_size(report.findings.groups), "the cache's name has none: --slabinfo FILE does", false);
  add("frees without an allocation", counts.frees_of_unknown, "it came before the trace began, or its record is lost", false);
  add("boots that ended in the log", counts.boots, "what stayed until then is listed, with its age at that time", false);
  coverage.insert(coverage.end(), report.coverage.begin(), report.coverage.end());
  return coverage;
}

std::string head(const SlubReport& report) {
  const SlubCounts& counts = report.findings.counts;
  Tally all = stayed(report);
  std::string out;
  print(out, "{} stayed allocated, {}{}, in {}\n", counted(all.count, "object"), human_bytes(all.bytes),
        without_size(report.findings.groups) != 0 ? " and more" : "", counted(report.findings.groups.size(), "group"));
  std::string sources;
  for (std::size_t i = 0; i < std::min(report.sources.size(), kShownSources); ++i)
    print(sources, "{}{}", i == 0 ? "" : ", ", printable(report.sources[i]));
  if (report.sources.size() > kShownSources) print(sources, " and {} more", report.sources.size() - kShownSources);
  print(out, "trace: {}, {}, orphan {}\n", sources, counted(counts.lines, "line"), printable(report.version));
  print(out, "records: {}, {}, of these {} matched", counted(counts.allocs, "allocation"), counted(counts.frees, "free"),
        with_commas(counts.matched));
  if (counts.seconds) print(out, ", in {:.1f} s", *counts.seconds);
  return out + '\n';
}

std::string group_head(const Leak& group) {
  if (group.object_size_bytes != 0) return group_line(group);
  return fmt::format("{:>8}  {:>10}  {:>10}  {}\n", with_commas(group.total.count), "?", "?", printable(group.cache));
}

Json group_json(const Leak& group) {
  bool has_size = group.object_size_bytes != 0;
  Json json = Json::object();
  json["id"] = leak_id(group);
  json["count"] = group.total.count;
  json["bytes"] = has_size ? Json(group.total.bytes) : Json();
  json["cache"] = group.cache;
  json["object_size"] = has_size ? Json(group.object_size_bytes) : Json();
  add_origin(json, group);
  return json;
}

Json counts_json(const SlubCounts& counts) {
  Json json = Json::object();
  json["lines"] = counts.lines;
  json["allocations"] = counts.allocs;
  json["frees"] = counts.frees;
  json["matched"] = counts.matched;
  json["frees_without_allocation"] = counts.frees_of_unknown;
  json["allocated_twice"] = counts.allocs_of_allocated;
  json["damaged"] = counts.damaged;
  json["without_address"] = counts.hidden;
  json["without_stack"] = counts.without_stack;
  json["unsure_stacks"] = counts.unsure_stacks;
  json["stacks_without_record"] = counts.stacks_without_head;
  json["lost_messages"] = counts.lost_messages;
  json["boots_ended"] = counts.boots;
  return json;
}

// Groups one below the other, and what is left out as a sum.
std::string group_table(const std::vector<Leak>& groups, u64 top, const std::map<std::string, u64>& grown) {
  if (groups.empty()) return {};
  std::string out = '\n' + std::string(kGroupTitle);
  auto shown = static_cast<std::size_t>(std::min<u64>(groups.size(), top));
  for (const Leak& group : std::span(groups).first(shown)) {
    if (&group != &groups.front()) out += '\n';
    out += group_head(group) + stack_lines(group) + task_lines(group);
    if (auto more = grown.find(stack_key(group.stack)); more != grown.end()) {
      label(out, "grew");
      print(out, "by {} meanwhile\n", with_commas(more->second));
    }
  }
  Tally rest;
  for (const Leak& group : std::span(groups).subspan(shown)) rest += group.total;
  if (rest.count != 0) {
    print(out, "\n{:>8}  {:>10}  in {}: --top shows more\n", with_commas(rest.count), human_bytes(rest.bytes),
          counted(groups.size() - shown, "smaller group"));
  }
  return out;
}

std::string snapshot_text(const SlubReport& report, u64 top) {
  Tally all = stayed(report);
  std::string out;
  print(out, "{} allocated, {}{}, in {}\n", counted(all.count, "object"), human_bytes(all.bytes),
        without_size(report.findings.groups) != 0 ? " and more" : "", counted(report.findings.groups.size(), "group"));
  print(out, "kernel's records: {}, orphan {}\n", printable(report.sources.empty() ? "" : report.sources.front()),
        printable(report.version));
  if (report.findings.counts.seconds) print(out, "watched: {:.1f} s\n", *report.findings.counts.seconds);
  out += group_table(report.findings.groups, top, report.grown);
  if (!report.freed.empty()) out += "\nFREE NOW, BY WHO FREED THEM\n" + group_table(report.freed, top, {});
  out += "\nWHAT THIS CANNOT KNOW\n";
  return out +
         wrapped("  ",
                 "if an object is leaked: all that is allocated is listed, and nothing looked for who uses it. What grows, and "
                 "keeps on growing, is what to look at");
}

}  // namespace

Tally stayed(const SlubReport& report) {
  Tally sum;
  for (const Leak& group : report.findings.groups) sum += group.total;
  return sum;
}

std::string to_text(const SlubReport& report, u64 top) {
  if (report.is_snapshot) return snapshot_text(report, top);
  auto [unseen, facts] = coverage_lines(coverage_of(report));
  std::string out = head(report) + group_table(report.findings.groups, top, {}) + "\nWHAT THIS CANNOT KNOW\n";
  out += wrapped("  ",
                 "if an object is leaked: it was allocated and not freed until the trace ended, and nothing looked for who still "
                 "uses it. What is kept on purpose is listed, too");
  out += wrapped("  ", "what was allocated before the trace began, or in another cache");
  out += unseen;
  if (!facts.empty()) out += "\nNOTES\n" + facts;
  return out;
}

std::string to_json(const SlubReport& report) {
  Json json = Json::object();
  json["schema"] = kSchema;
  json["orphan"] = report.version;
  json["sources"] = report.sources;
  const std::optional<double>& seconds = report.findings.counts.seconds;
  json["seconds"] = seconds ? Json(*seconds) : Json();
  json["records"] = counts_json(report.findings.counts);
  json["stayed"] = tally_json(stayed(report));
  json["coverage"] = coverage_json(coverage_of(report));
  json["snapshot"] = report.is_snapshot;
  json["groups"] = Json::array();
  for (const Leak& group : report.findings.groups) {
    json["groups"].push_back(group_json(group));
    auto more = report.grown.find(stack_key(group.stack));
    json["groups"].back()["grown"] = report.is_snapshot ? Json(more == report.grown.end() ? 0 : more->second) : Json();
  }
  json["freed"] = Json::array();
  for (const Leak& group : report.freed) json["freed"].push_back(group_json(group));
  return text_of(json);
}

std::string to_pprof(const SlubReport& report) {
  OutstandingReport profile{.target = report.sources.empty() ? "" : report.sources.front(),
                            .version = report.version,
                            .seconds = report.findings.counts.seconds.value_or(0),
                            .allocations = report.findings.counts.allocs,
                            .groups = report.findings.groups};
  return orphan::to_pprof(profile);
}

}  // namespace orphan::logs
