// SPDX-License-Identifier: Apache-2.0
// The report for programs: docs/trend.md describes its fields.
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/json_parts.h"
#include "watch/live_trends.h"
#include "watch/trend_report.h"

namespace orphan::watch {
namespace {

constexpr int kSchema = 1;

// JSON has no infinity.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json row_json(const TrendRow& row) {
  const Trend& trend = row.trend;
  Json json;
  json["kind"] = word(row.series.kind);
  json["name"] = row.series.name;
  json["field"] = row.series.field;
  json["unit"] = word(row.series.unit);
  json["verdict"] = word(trend.verdict);
  json["leak"] = row.is_leak();
  json["reclaimable"] = row.is_reclaimable;
  json["falls"] = row.is_free_memory;
  json["per_hour"] = {{"rate", number(trend.rate)}, {"low", number(trend.rate_low)}, {"high", number(trend.rate_high)}};
  json["score"] = number(trend.score);
  json["r2"] = number(trend.r2);
  json["kendall"] = number(trend.kendall);
  json["memory"] = number(trend.memory);
  json["noise"] = number(trend.noise);
  json["hours"] = number(trend.span_h);
  json["last"] = number(row.is_free_memory ? -trend.last : trend.last);
  json["since_hour"] = number(trend.since_h);
  json["step"] = number(row.is_free_memory ? -trend.step : trend.step);
  json["step_hour"] = number(trend.step_h);
  json["drops"] = trend.drops;
  json["warm_up_hours"] = number(trend.warm_up_h);
  json["daily_cycle"] = trend.has_daily_cycle;
  json["may_be_daily_cycle"] = trend.may_be_cycle;
  json["exhausted_in_hours"] = nullptr;
  if (row.exhaustion) {
    json["exhausted_in_hours"] = {{"soonest", number(row.exhaustion->soonest_h)},
                                  {"likely", number(row.exhaustion->likely_h)},
                                  {"latest", number(row.exhaustion->latest_h)}};
  }
  return json;
}

Json part_json(const FallPart& part) {
  Json json;
  json["name"] = part.name;
  json["kernel"] = part.is_kernel;
  json["per_hour"] = number(part.rate);
  if (part.parts.empty()) return json;
  json["parts"] = Json::array();
  for (const FallPart& one : part.parts) json["parts"].push_back(part_json(one));
  json["others"] = number(part.rest);
  return json;
}

Json fall_json(const Fall& fall) {
  if (fall.of.empty()) return nullptr;
  Json json;
  json["of"] = fall.of;
  json["per_hour"] = number(fall.rate);
  json["explained"] = number(fall.explained);
  json["unexplained"] = number(fall.unexplained);
  json["kernel"] = number(fall.kernel);
  json["user"] = number(fall.user);
  json["parts"] = Json::array();
  for (const FallPart& part : fall.parts) json["parts"].push_back(part_json(part));
  return json;
}

}  // namespace

std::string to_json(const LiveTrends::Change& change, const std::string& host, i64 wall_ms) {
  constexpr std::array<std::string_view, 3> kEvents{"grows", "stopped", "vanished"};
  Json json;
  json["schema"] = kSchema;
  json["event"] = kEvents.at(static_cast<std::size_t>(change.event));
  json["text"] = to_line(change);
  json["host"] = text_or_null(host);
  json["time"] = wall_ms;
  json["series"] = row_json(change.row);
  return text_of(json);
}

std::string to_json(const TrendReport& report) {
  Json json;
  json["schema"] = kSchema;
  json["orphan"] = report.version;
  json["host"] = text_or_null(report.host);
  json["release"] = text_or_null(report.release);
  json["boot"] = report.boot_id;
  json["from"] = report.from_ms;
  json["to"] = report.to_ms;
  json["samples"] = report.samples;
  json["other_boots"] = report.other_boots;
  json["threshold"] = report.choice.threshold;
  json["min_bytes_a_day"] = report.choice.min_bytes_a_day;
  json["available"] = report.free_bytes;
  json["total"] = report.total_bytes;
  json["leaks"] = has_leak(report);
  json["series"] = Json::array();
  for (const TrendRow& row : report.rows) json["series"].push_back(row_json(row));
  json["fall"] = fall_json(report.fall);
  return text_of(json);
}

}  // namespace orphan::watch
