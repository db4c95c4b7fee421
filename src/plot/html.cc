// SPDX-License-Identifier: Apache-2.0
#include "plot/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "plot/page_files.h"
#include "plot/svg.h"
#include "report/format.h"

namespace orphan::plot {
namespace {

using Json = nlohmann::ordered_json;
using watch::Verdict;

// A chart is some thousand pixels wide.
constexpr std::size_t kMostTimes = 4000;

struct Place {
  std::size_t panel = 0, index = 0;
};

// Integers as such: 123456789.0 takes two characters more, a hundred thousand times.
Json number(double value) {
  if (std::isnan(value)) return nullptr;
  bool is_whole = std::abs(value) < 9e15 && value == std::floor(value);
  return is_whole ? Json(static_cast<i64>(value)) : Json(value);
}

Json panels_json(const Chart& chart) {
  Json panels = Json::array();
  std::size_t lines = 0;
  for (const Panel& panel : chart.panels) {
    Json json{{"title", panel.title}, {"unit", word(panel.unit)}, {"lines", Json::array()}};
    for (const Line& line : panel.lines) {
      Json values = Json::array();
      for (double value : line.values) values.push_back(number(value));
      json["lines"].push_back({{"name", line.name}, {"colour", colour(lines++)}, {"values", std::move(values)}});
    }
    panels.push_back(std::move(json));
  }
  return panels;
}

std::string lasts(const watch::TrendRow& row) {
  return row.exhaustion ? watch::duration_text(row.exhaustion->likely_h) : "";
}

Json row_json(const watch::TrendRow& row, const Place* place) {
  Verdict verdict = row.trend.verdict;
  bool grows = verdict == Verdict::Growing, has_rate = grows || verdict == Verdict::Sawtooth;
  Json json;
  json["name"] = name_of(row.series) + (row.is_free_memory && grows ? ", taken" : "");
  json["verdict"] = word(verdict);
  json["leak"] = row.is_leak();
  json["rate"] = has_rate ? rate_text(row) : "";
  json["interval"] = has_rate ? interval_text(row) : "";
  json["r2"] = grows ? fmt::format("{:.2f}", row.trend.r2) : "";
  json["lasts"] = lasts(row);
  json["remark"] = watch::remark(row);
  json["line"] = nullptr;
  if (place != nullptr) json["line"] = {{"panel", place->panel}, {"index", place->index}};
  return json;
}

Json data_json(const Chart& chart, const watch::TrendReport& report) {
  std::map<std::size_t, Place> places;
  for (std::size_t p = 0; p < chart.panels.size(); ++p) {
    for (std::size_t l = 0; l < chart.panels[p].lines.size(); ++l) places[chart.panels[p].lines[l].row] = {p, l};
  }
  Json json;
  std::string words = watch::to_words(report);
  std::ranges::replace(words, '\n', ' ');  // they are wrapped for a terminal
  json["words"] = words;
  json["time"] = Json::array();
  for (double time : chart.time_s) json["time"].push_back(number(time));
  json["panels"] = panels_json(chart);
  json["rows"] = Json::array();
  u64 others = 0;
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    const watch::TrendRow& row = report.rows[i];
    auto place = places.find(i);
    bool is_dull = row.trend.verdict == Verdict::Flat || row.trend.verdict == Verdict::TooShort;
    if (place == places.end() && is_dull) {
      ++others;
      continue;
    }
    json["rows"].push_back(row_json(row, place == places.end() ? nullptr : &place->second));
  }
  json["others"] = others == 0 ? ""
                               : fmt::format("Besides there {} that {} flat, or {} too few samples.",
                                             others == 1 ? "is one series" : fmt::format("are {} series", with_commas(others)),
                                             others == 1 ? "is" : "are", others == 1 ? "has" : "have");
  return json;
}

// In a script no tag may begin: neither its end, nor a comment.
std::string for_script(const Json& json) {
  std::string text;
  for (char c : json.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

// Each @name@ of the page is replaced, once; what is put there is not looked at again.
std::string filled_in(std::string_view page, const std::map<std::string_view, std::string_view>& parts) {
  std::string out;
  while (!page.empty()) {
    std::size_t at = page.find('@'), end = at == std::string_view::npos ? at : page.find('@', at + 1);
    if (end == std::string_view::npos) break;
    auto part = parts.find(page.substr(at + 1, end - at - 1));
    VERIFY(part != parts.end());
    out += page.substr(0, at);
    out += part->second;
    page.remove_prefix(end + 1);
  }
  return out.append(page);
}

}  // namespace

std::string to_html(const Chart& chart, const watch::TrendReport& report) {
  std::string title = escaped(title_of(report));
  std::string data = for_script(data_json(thinned(chart, kMostTimes), report));
  return filled_in(kPageHtml, {{"title", title},
                               {"data", data},
                               {"page.css", kPageCss},
                               {"page.js", kPageJs},
                               {"uplot.css", kUplotCss},
                               {"uplot.js", kUplotJs},
                               {"uplot.license", kUplotLicense}});
}

}  // namespace orphan::plot
