// SPDX-License-Identifier: Apache-2.0
#include "report/json_parts.h"

#include <nlohmann/json.hpp>

#include "report/format.h"

namespace orphan {
namespace {

Json frame_json(const Frame& frame) {
  bool has_symbol = !frame.symbol.empty();
  bool has_file = !frame.file.empty();
  Json json = Json::object();
  json["address"] = frame.address ? Json(to_string(frame.address)) : Json();
  json["symbol"] = text_or_null(frame.symbol);
  json["offset"] = has_symbol && frame.address ? Json(frame.offset) : Json();
  json["symbol_size"] = has_symbol && frame.address ? Json(frame.symbol_size) : Json();
  json["module"] = text_or_null(frame.module);
  json["file"] = text_or_null(frame.file);
  json["line"] = has_file ? Json(frame.line) : Json();
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

Json stack_json(const std::vector<Frame>& stack) {
  Json json = Json::array();
  for (const Frame& frame : stack) json.push_back(frame_json(frame));
  return json;
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + '\n';
}

}  // namespace orphan
