// SPDX-License-Identifier: Apache-2.0
#include "report/outstanding.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "report/format.h"
#include "report/json.h"
#include "report/json_parts.h"
#include "report/leak_lines.h"
#include "report/pprof.h"
#include "report/print.h"

namespace orphan {
namespace {

constexpr int kSchema = 1;
constexpr std::size_t kMaxGroups = 25;  // most of the others are in use

std::string head(const OutstandingReport& report) {
  Tally all = outstanding(report);
  std::string out;
  print(out, "{} outstanding, {}, in {}; {} seen\n", counted(all.count, "block"), human_bytes(all.bytes),
        counted(report.groups.size(), "group"), counted(report.allocations, "allocation"));
  print(out, "target: {}, {}, orphan {}\n", printable(report.target), utc(report.started_unix_s), printable(report.version));
  print(out, "tracked: {:.1f} s", report.seconds);
  if (report.min_age_s > 0) print(out, "; what is younger than {:.0f} s is left out", report.min_age_s);
  return out + '\n';
}

std::string groups(const OutstandingReport& report) {
  if (report.groups.empty()) return {};
  std::string out = '\n' + std::string(kGroupTitle);
  std::size_t shown = std::min(report.groups.size(), kMaxGroups);
  for (const Leak& group : std::span(report.groups).first(shown)) {
    if (&group != &report.groups.front()) out += '\n';
    out += group_line(group) + type_lines(group) + stack_lines(group) + task_lines(group);
  }
  Tally rest;
  for (const Leak& group : std::span(report.groups).subspan(shown)) rest += group.total;
  if (rest.count != 0) {
    print(out, "\n{:>8}  {:>10}  in {}: --format=json has all\n", with_commas(rest.count), human_bytes(rest.bytes),
          counted(report.groups.size() - shown, "smaller group"));
  }
  return out;
}

std::string limits(const OutstandingReport& report) {
  auto [unseen, facts] = coverage_lines(report.coverage);
  std::string out = "\nWHAT THIS CANNOT KNOW\n";
  for (std::string_view limit :
       {"if a block is leaked: it was allocated and not freed, and nothing looked for who still points to it. What is kept on "
        "purpose (caches, what was opened or loaded meanwhile) is listed, too",
        "what was allocated before the tracking began"}) {
    out += wrapped("  ", limit);
  }
  out += unseen;
  if (!facts.empty()) out += "\nNOTES\n" + facts;
  return out;
}

Json group_json(const Leak& group) {
  Json json = Json::object();
  json["id"] = leak_id(group);
  json["count"] = group.total.count;
  json["bytes"] = group.total.bytes;
  json["kind"] = to_string(group.kind);
  json["cache"] = group.cache;
  json["object_size"] = group.object_size_bytes;
  json["type"] = text_or_null(group.type);
  json["type_reason"] = text_or_null(group.type_reason);
  add_origin(json, group);
  return json;
}

}  // namespace

Tally outstanding(const OutstandingReport& report) {
  Tally sum;
  for (const Leak& group : report.groups) sum += group.total;
  return sum;
}

std::string to_text(const OutstandingReport& report) {
  return head(report) + groups(report) + limits(report);
}

std::string to_json(const OutstandingReport& report) {
  Json json = Json::object();
  json["schema"] = kSchema;
  json["orphan"] = report.version;
  json["target"] = report.target;
  json["release"] = text_or_null(report.release);
  json["images"] = images_json(report.images);
  json["started"] = report.started_unix_s;
  json["seconds"] = report.seconds;
  json["min_age_s"] = report.min_age_s;
  json["allocations"] = report.allocations;
  json["outstanding"] = tally_json(outstanding(report));
  json["coverage"] = coverage_json(report.coverage);
  json["groups"] = Json::array();
  for (const Leak& group : report.groups) json["groups"].push_back(group_json(group));
  return text_of(json);
}

std::string to_pprof(const OutstandingReport& report) {
  Profile profile{.what = "outstanding",
                  .target = report.target,
                  .version = report.version,
                  .started_unix_s = report.started_unix_s,
                  .seconds = report.seconds,
                  .images = report.images};
  for (const Leak& group : report.groups) profile.groups.push_back(&group);
  return to_pprof(profile);
}

}  // namespace orphan
