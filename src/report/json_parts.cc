// SPDX-License-Identifier: Apache-2.0
#include "report/json_parts.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "report/format.h"

namespace orphan {
namespace {

Json frame_json(const Frame& frame) {
  bool has_offset = !frame.symbol.empty() && (frame.address || frame.symbol_size != 0) && !frame.is_inlined;
  bool has_file = !frame.file.empty();
  Json json = Json::object();
  json["address"] = frame.address ? Json(to_string(frame.address)) : Json();
  json["symbol"] = text_or_null(frame.symbol);
  json["offset"] = has_offset ? Json(frame.offset) : Json();
  json["symbol_size"] = has_offset ? Json(frame.symbol_size) : Json();
  json["module"] = text_or_null(frame.module);
  json["file"] = text_or_null(frame.file);
  json["line"] = has_file ? Json(frame.line) : Json();
  json["inlined"] = frame.is_inlined;
  return json;
}

Json allocated_json(const std::optional<AllocationTimes>& times) {
  if (!times) return nullptr;
  std::optional<double> per_second = rate(*times);
  Json json = Json::object();
  json["count"] = times->count;
  json["first_s"] = times->first_s;
  json["last_s"] = times->last_s;
  json["rate_s"] = per_second ? Json(*per_second) : Json();
  return json;
}

}  // namespace

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json tally_json(Tally tally) {
  Json json = Json::object();
  json["count"] = tally.count;
  json["bytes"] = tally.bytes;
  return json;
}

Json coverage_json(const std::vector<Coverage>& coverage) {
  Json json = Json::array();
  for (const Coverage& entry : coverage) {
    Json row = Json::object();
    row["what"] = entry.what;
    row["bytes"] = entry.bytes == 0 ? Json() : Json(entry.bytes);
    row["count"] = entry.count;
    row["why"] = entry.why;
    row["incomplete"] = entry.incomplete;
    json.push_back(std::move(row));
  }
  return json;
}

Json images_json(const std::vector<Image>& images) {
  Json json = Json::array();
  for (const Image& image : images) {
    Json row = Json::object();
    row["module"] = text_or_null(image.module);
    row["build_id"] = text_or_null(image.build_id);
    json.push_back(std::move(row));
  }
  return json;
}

Json stack_json(const std::vector<Frame>& stack) {
  Json json = Json::array();
  for (const Frame& frame : stack) json.push_back(frame_json(frame));
  return json;
}

void add_origin(Json& json, const Leak& leak) {
  json["traced"] = leak.was_seen;
  json["allocated"] = allocated_json(leak.times);
  json["comms"] = Json::array();
  for (const Counted& comm : leak.comms) json["comms"].push_back({{"comm", comm.text}, {"count", comm.count}});
  json["stack"] = stack_json(leak.stack);
  json["inferred_stacks"] = leak.inferred_stacks;
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + '\n';
}

}  // namespace orphan
