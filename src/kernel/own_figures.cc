// SPDX-License-Identifier: Apache-2.0
#include "kernel/own_figures.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace orphan::kernel {
namespace {

std::string_view next_line(std::string_view& text) {
  std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return words;
    line.remove_prefix(start);
    std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::optional<u64> number(std::string_view word) {
  u64 value = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

}  // namespace

std::map<std::string, u64, std::less<>> parse_meminfo(std::string_view text) {
  std::map<std::string, u64, std::less<>> figures;
  while (!text.empty()) {
    auto words = words_of(next_line(text));
    if (words.size() != 3 || words[2] != "kB" || !words[0].ends_with(':')) continue;
    if (auto value = number(words[1])) figures.emplace(words[0].substr(0, words[0].size() - 1), *value * 1024);
  }
  return figures;
}

std::optional<ZoneFigures> parse_zoneinfo(std::string_view text) {
  ZoneFigures sum;
  while (!text.empty()) {
    auto words = words_of(next_line(text));
    if (words.size() != 2) continue;
    auto value = number(words[1]);
    if (!value) continue;
    if (words[0] == "present") sum.present += *value;
    if (words[0] == "managed") sum.managed += *value;
    // Of a CPU's lists: "count:", and "high:" and "batch:" behind it.
    if (words[0] == "count:") sum.on_cpu_lists += *value;
  }
  if (sum.present == 0) return std::nullopt;
  return sum;
}

std::map<std::string, SlabFigures, std::less<>> parse_slabinfo(std::string_view text) {
  std::map<std::string, SlabFigures, std::less<>> figures;
  if (!text.starts_with("slabinfo - version: 2.")) return figures;
  while (!text.empty()) {
    // name active objects size per-slab pages : tunables a b c : slabdata active slabs shared
    auto words = words_of(next_line(text));
    if (words.size() < 16 || words[0] == "#") continue;
    auto active = number(words[1]), objects = number(words[2]), pages = number(words[5]), slabs = number(words[14]);
    if (!active || !objects || !pages || !slabs) continue;
    SlabFigures& row = figures[std::string(words[0])];
    row.active += *active;
    row.objects += *objects;
    row.pages += *pages * *slabs;
  }
  return figures;
}

std::map<std::string, u64, std::less<>> parse_vmallocinfo(std::string_view text) {
  std::map<std::string, u64, std::less<>> figures;
  while (!text.empty()) {
    auto words = words_of(next_line(text));
    auto pages = std::ranges::find_if(words, [](std::string_view word) { return word.starts_with("pages="); });
    // range, bytes, caller, its module perhaps
    if (pages == words.end() || pages - words.begin() < 3) continue;
    auto value = number(pages->substr(6));
    if (!value) continue;
    std::string caller(words[2]);
    if (words[3].starts_with('[')) caller += ' ' + std::string(words[3]);
    figures[caller] += *value;
  }
  return figures;
}

}  // namespace orphan::kernel
