// SPDX-License-Identifier: Apache-2.0
// Merged reports and differences as JSON, "schema": 1, in the words of a scan's report where they mean the same.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>

#include "base/verify.h"
#include "logs/merged_report.h"
#include "report/format.h"
#include "report/json_parts.h"

namespace orphan::logs {
namespace {

constexpr int kSchema = 1;

const char* to_word(Memory memory) {
  switch (memory) {
    case Memory::Virtual: return "virtual";
    case Memory::PerCpu: return "per-cpu";
    case Memory::Physical: return "physical";
    case Memory::Pages: return "pages";
  }
  bug("no such memory");
}

Json object_json(const Leak& leak, const LeakedObject& object) {
  std::string hex;
  for (std::byte b : object.contents) fmt::format_to(std::back_inserter(hex), "{:02x}", std::to_integer<unsigned>(b));
  Json json = Json::object();
  json["address"] = to_string(object.address);
  json["size"] = object.size_bytes;
  json["comm"] = text_or_null(object.comm);
  json["pid"] = object.pid ? Json(*object.pid) : Json();
  json["jiffies"] = object.jiffies ? Json(*object.jiffies) : Json();
  json["age_s"] = object.age_s ? Json(*object.age_s) : Json();
  json["checksum"] = fmt::format("0x{:x}", object.checksum);
  json["cpu"] = leak.kind == BlockKind::PerCpu ? Json(object.cpu) : Json();
  json["hex"] = text_or_null(hex);
  return json;
}

Json group_json(const Group& group) {
  const Leak& leak = group.leak;
  Json json = Json::object();
  json["id"] = fmt::format("{:016x}", group.fingerprint);
  json["count"] = leak.total.count;
  json["bytes"] = leak.total.bytes;
  json["kind"] = to_string(leak.kind);
  json["memory"] = to_word(group.memory);
  json["cache"] = leak.cache;
  json["object_size"] = leak.object_size_bytes;
  json["least_size"] = group.least_bytes;
  json["most_size"] = group.most_bytes;
  json["without_size"] = group.without_size;
  json["files"] = group.files;
  json["hosts"] = group.hosts;
  json["stacks"] = group.stacks.size();
  json["type"] = text_or_null(leak.type);
  json["type_reason"] = text_or_null(leak.type_reason);
  add_origin(json, leak);
  json["objects_omitted"] = leak.total.count - std::min<u64>(leak.total.count, leak.objects.size());
  json["objects"] = Json::array();
  for (const LeakedObject& object : leak.objects) json["objects"].push_back(object_json(leak, object));
  return json;
}

Json groups_json(const std::vector<Group>& groups, u64 top) {
  Json json = Json::array();
  for (const Group& group : std::span(groups).first(static_cast<std::size_t>(std::min<u64>(top, groups.size()))))
    json.push_back(group_json(group));
  return json;
}

Json changes_json(const std::vector<Change>& changes, u64 top) {
  Json json = Json::array();
  for (const Change& change : std::span(changes).first(static_cast<std::size_t>(std::min<u64>(top, changes.size())))) {
    Json row = group_json(change.after != nullptr ? *change.after : *change.before);
    row["before"] = tally_json(change.before != nullptr ? change.before->leak.total : Tally{});
    row["after"] = tally_json(change.after != nullptr ? change.after->leak.total : Tally{});
    json.push_back(std::move(row));
  }
  return json;
}

Json source_json(const MergedReport& report) {
  Json json = Json::object();
  json["files"] = report.files;
  json["failed_files"] = report.failed_files;
  json["hosts"] = report.hosts;
  json["leaked"] = tally_json(total(report.leaks));
  json["allocated"] = tally_json(total(report.allocated));
  return json;
}

}  // namespace

std::string to_json(const MergedReport& report, u64 top) {
  Json json = Json::object();
  json["schema"] = kSchema;
  json["orphan"] = report.version;
  json["source"] = source_json(report);
  json["coverage"] = coverage_json(report.coverage);
  json["leaks"] = groups_json(report.leaks, top);
  json["allocated"] = groups_json(report.allocated, top);
  return text_of(json);
}

std::string to_json(const DifferenceOf& of, const Difference& difference, u64 top) {
  Json json = Json::object();
  json["schema"] = kSchema;
  json["orphan"] = of.after.version;
  json["before"] = source_json(of.before);
  json["before"]["file"] = printable(of.before_name);
  json["after"] = source_json(of.after);
  json["after"]["file"] = printable(of.after_name);
  json["coverage"] = coverage_json(of.after.coverage);
  json["unchanged"] = difference.unchanged;
  json["new"] = changes_json(difference.fresh, top);
  json["grown"] = changes_json(difference.grown, top);
  json["smaller"] = changes_json(difference.shrunk, top);
  json["gone"] = changes_json(difference.gone, top);
  return text_of(json);
}

}  // namespace orphan::logs
