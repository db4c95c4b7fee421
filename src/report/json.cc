// SPDX-License-Identifier: Apache-2.0
#include "report/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/fnv1a.h"
#include "report/format.h"
#include "report/json_parts.h"

namespace orphan {
namespace {

constexpr int kSchema = 1;

Json examined_json(const Report& report) {
  Tally all = examined(report);
  Json json = Json::object();
  json["blocks"] = all.count;
  json["bytes"] = all.bytes;
  json["roots"] = Json::array();
  for (const RootKindTotal& root : report.roots) {
    Json row = Json::object();
    row["kind"] = root.kind;
    row["count"] = root.count;
    row["bytes"] = root.bytes;
    json["roots"].push_back(std::move(row));
  }
  json["by_kind"] = Json::object();
  for (std::size_t i = 0; i < kBlockKinds; ++i) {
    json["by_kind"][to_string(static_cast<BlockKind>(i))] = tally_json(report.by_kind[i]);
  }
  return json;
}

Json outcome_json(const Outcome& outcome) {
  Json json = Json::object();
  json["referenced"] = tally_json(outcome.referenced);
  json["leaked"] = tally_json(outcome.leaked);
  json["weak"] = tally_json(outcome.weak);
  json["suppressed"] = tally_json(outcome.suppressed);
  json["unconfirmed"] = tally_json(outcome.unconfirmed);
  json["unstable"] = tally_json(outcome.unstable);
  return json;
}

Json phases_json(const std::vector<Phase>& phases) {
  Json json = Json::array();
  for (const Phase& phase : phases)
    json.push_back({{"name", phase.name}, {"seconds", phase.seconds}, {"reading", phase.reading_seconds}});
  return json;
}

Json passes_json(const Report& report) {
  Json json = Json::array();
  for (const Pass& pass : report.passes) {
    Json row = Json::object();
    row["seconds"] = pass.seconds;
    row["live"] = tally_json(pass.live);
    row["unreferenced"] = pass.unreferenced;
    row["confirmed"] = pass.confirmed;
    row["bytes_read"] = pass.bytes_read;
    row["words"] = pass.words;
    row["phases"] = phases_json(pass.phases);
    json.push_back(std::move(row));
  }
  return json;
}

Json self_test_json(const std::optional<SelfTest>& self_test) {
  if (!self_test) return nullptr;
  Json json = Json::object();
  json["caches"] = self_test->caches;
  json["ours"] = self_test->ours;
  json["slabinfo"] = self_test->slabinfo;
  json["different"] = Json::array();
  for (const SelfTest::Row& different : self_test->different) {
    Json row = Json::object();
    row["cache"] = different.cache;
    row["ours"] = different.ours;
    row["slabinfo"] = different.slabinfo;
    json["different"].push_back(std::move(row));
  }
  return json;
}

Json suppressed_json(const Report& report) {
  Json json = Json::array();
  for (const Suppression& suppression : report.suppressed) {
    Json row = Json::object();
    row["rule"] = suppression.rule;
    row["reason"] = suppression.reason;
    row["count"] = suppression.total.count;
    row["bytes"] = suppression.total.bytes;
    json.push_back(std::move(row));
  }
  return json;
}

Json evidence_json(const Leak& leak) {
  Json json = Json::array();
  for (const Evidence& evidence : leak.evidence) {
    Json row = Json::object();
    row["kind"] = to_string(evidence.kind);
    row["offset"] = evidence.offset_bytes;
    row["text"] = evidence.text;
    row["count"] = evidence.count;
    row["field"] = text_or_null(evidence.field);
    json.push_back(std::move(row));
  }
  return json;
}

Json hex_or_null(Bytes contents) {
  if (contents.empty()) return nullptr;
  std::string hex;
  hex.reserve(contents.size() * 2);
  for (std::byte b : contents) fmt::format_to(std::back_inserter(hex), "{:02x}", std::to_integer<unsigned>(b));
  return hex;
}

Json object_json(const Leak& leak, const LeakedObject& object) {
  Json json = Json::object();
  json["address"] = to_string(object.address);
  json["size"] = object.size_bytes;
  json["head"] = to_string(object.head ? object.head : object.address);
  json["comm"] = text_or_null(object.comm);
  json["pid"] = object.pid ? Json(*object.pid) : Json();
  json["cgroup"] = text_or_null(object.cgroup);
  json["age_s"] = object.age_s ? Json(*object.age_s) : Json();
  json["checksum"] = fmt::format("0x{:x}", object.checksum);
  json["cpu"] = leak.kind == BlockKind::PerCpu ? Json(object.cpu) : Json();
  json["hex"] = hex_or_null(object.contents);
  return json;
}

// What leaks and weakly referenced blocks have in common: their first fields, and their last.
Json group_json(const Leak& leak) {
  Json json = Json::object();
  json["id"] = leak_id(leak);
  json["count"] = leak.total.count;
  json["bytes"] = leak.total.bytes;
  return json;
}

void add_contents(Json& json, const Report& report, const Leak& leak) {
  json["kind"] = to_string(leak.kind);
  json["cache"] = leak.cache;
  json["aliases"] = leak.aliases;
  json["object_size"] = leak.object_size_bytes;
  json["type"] = text_or_null(leak.type);
  json["type_reason"] = text_or_null(leak.type_reason);
  add_origin(json, leak);
  json["evidence"] = evidence_json(leak);
  json["cgroups"] = Json::array();
  for (const Counted& cgroup : leak.cgroups) json["cgroups"].push_back({{"cgroup", cgroup.text}, {"count", cgroup.count}});
  // One of this scan's passes saw it first; the report dates the scan, not its passes.
  json["first_seen"] = leak.first_seen_unix_s != 0 ? leak.first_seen_unix_s : report.started_unix_s;
  json["objects_omitted"] = leak.total.count - std::min<u64>(leak.total.count, leak.objects.size());
  json["objects"] = Json::array();
  for (const LeakedObject& object : leak.objects) json["objects"].push_back(object_json(leak, object));
}

Json leak_json(const Report& report, const Leak& leak) {
  Json json = group_json(leak);
  json["heads"] = report.has_graph ? Json(leak.heads) : Json();
  json["retained_count"] = report.has_graph ? Json(leak.retained.count) : Json();
  json["retained_bytes"] = report.has_graph ? Json(leak.retained.bytes) : Json();
  json["confidence"] = {{"level", to_string(leak.confidence)}, {"reason", leak.confidence_reason}};
  add_contents(json, report, leak);
  return json;
}

Json page_outcome_json(const std::optional<PageReport>& pages) {
  if (!pages) return nullptr;
  Json json = Json::object();
  json["referenced"] = tally_json(pages->referenced);
  json["leaked"] = tally_json(pages->leaked);
  json["weak"] = tally_json(pages->weak);
  json["suppressed"] = tally_json(pages->suppressed);
  json["unconfirmed"] = tally_json(pages->unconfirmed);
  return json;
}

Json page_group_json(const Report& report, const Leak& leak) {
  Json json = group_json(leak);
  json["confidence"] = {{"level", to_string(leak.confidence)}, {"reason", leak.confidence_reason}};
  add_contents(json, report, leak);
  return json;
}

Json weak_json(const Report& report, const Leak& leak) {
  Json json = group_json(leak);
  json["referrers"] = Json::array();
  for (const WeakReferrer& referrer : leak.weak) {
    Json row = Json::object();
    row["object"] = to_string(referrer.object);
    row["form"] = referrer.form;
    row["at"] = referrer.at ? Json(to_string(referrer.at)) : Json();
    row["word"] = fmt::format("0x{:x}", referrer.word);
    row["place"] = printable(referrer.place);
    json["referrers"].push_back(std::move(row));
  }
  add_contents(json, report, leak);
  return json;
}

}  // namespace

std::string leak_id(const Leak& leak) {
  Fnv1a hash;
  hash.add(to_string(leak.kind));
  hash.add(leak.cache);
  hash.add(leak.object_size_bytes);
  hash.add(static_cast<u64>(std::ranges::count(leak.stack, false, &Frame::is_inlined)));
  for (const Frame& frame : leak.stack) {
    if (frame.is_inlined) continue;  // these need debug information, which not every machine has
    // An address moves from boot to boot, a symbol and its offset do not.
    if (frame.symbol.empty()) {
      hash.add(frame.address.value);
    } else {
      hash.add(frame.symbol);
      hash.add(frame.offset);
      hash.add(frame.module);
    }
  }
  return fmt::format("{:016x}", hash.value());
}

std::string to_json(const Report& report) {
  Json json = Json::object();
  json["schema"] = kSchema;
  json["orphan"] = report.version;
  json["target"] = report.target;
  json["release"] = text_or_null(report.release);
  json["images"] = images_json(report.images);
  json["started"] = report.started_unix_s;
  json["seconds"] = report.seconds;
  json["scans"] = report.passes.size();
  json["interrupted"] = report.interrupted;
  json["settled"] = report.settled;
  json["examined"] = examined_json(report);
  json["outcome"] = outcome_json(report.outcome);
  json["coverage"] = coverage_json(report.coverage);
  json["self_test"] = self_test_json(report.self_test);
  json["startup"] = phases_json(report.startup);
  json["passes"] = passes_json(report);
  json["peak_memory"] = report.peak_memory_bytes == 0 ? Json(nullptr) : Json(report.peak_memory_bytes);
  json["suppressed"] = suppressed_json(report);
  json["max_objects"] = report.max_objects;
  json["leaks"] = Json::array();
  for (const Leak& leak : report.leaks) json["leaks"].push_back(leak_json(report, leak));
  json["weak"] = Json::array();
  for (const Leak& leak : report.weak) json["weak"].push_back(weak_json(report, leak));
  json["page_outcome"] = page_outcome_json(report.pages);
  json["pages"] = Json::array();
  if (report.pages) {
    for (const Leak& leak : report.pages->groups) json["pages"].push_back(page_group_json(report, leak));
  }
  return text_of(json);
}

}  // namespace orphan
