// SPDX-License-Identifier: Apache-2.0
#include "watch/kernel_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "watch/line_reader.h"

namespace orphan::watch {
namespace {

bool is_name(std::string_view text) {
  constexpr std::string_view kOthers = "_()-";
  return !text.empty() && std::ranges::all_of(text, [=](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::optional<MemoryLine> parse_meminfo(std::string_view line) {
  std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  MemoryLine result{.name = trimmed(line.substr(0, colon))};
  Words words(line.substr(colon + 1));
  auto value = number_in<i64>(words.next());
  std::string_view unit = words.next();
  if (!is_name(result.name) || !value || *value < 0 || !(unit.empty() || unit == "kB") || !words.rest().empty())
    return std::nullopt;
  result.value = *value;
  result.is_kb = !unit.empty();
  return result;
}

std::optional<SlabVersion> parse_slabinfo_version(std::string_view line) {
  constexpr std::string_view kStart = "slabinfo - version: ";
  if (!line.starts_with(kStart)) return std::nullopt;
  line.remove_prefix(kStart.size());
  if (line.starts_with("1.")) return SlabVersion::One;
  if (line.starts_with("2.")) return SlabVersion::Two;
  return std::nullopt;
}

std::optional<SlabLine> parse_slabinfo(std::string_view line, SlabVersion version) {
  // A name may have a blank in it ("ext3 inode cache"), so the numbers are looked for: the first of five in a row.
  std::size_t name_end = 0;
  std::array<i64, 6> numbers{};
  std::size_t count = 0;
  bool is_two = version == SlabVersion::Two;
  std::size_t wanted = is_two ? 5 : 6;
  Words words(line);
  std::string_view text = words.rest();
  std::string_view after = text;
  for (std::string_view word = words.next(); !word.empty() && count < wanted; word = words.next()) {
    auto number = number_in<i64>(word);
    if (number && *number >= 0 && name_end != 0) {
      numbers[count++] = *number;
    } else {
      count = 0;
      name_end = static_cast<std::size_t>(word.data() + word.size() - text.data());
      if (word == ":" || word.starts_with('#')) return std::nullopt;
    }
    after = std::string_view(word.data() + word.size(),
                             static_cast<std::size_t>(text.data() + text.size() - word.data()) - word.size());
  }
  if (count < wanted) return std::nullopt;
  SlabLine result{
      .name = text.substr(0, name_end), .active_objects = numbers[0], .objects = numbers[1], .object_bytes = numbers[2]};
  if (!is_two) {
    result.slabs = numbers[4];
    result.pages_per_slab = numbers[5];
    return result;
  }
  result.pages_per_slab = numbers[4];
  // ": tunables 0 0 0 : slabdata 12 12 0"
  constexpr std::string_view kData = ": slabdata";
  std::size_t data = after.find(kData);
  if (data == std::string_view::npos) return std::nullopt;
  Words slabs(after.substr(data + kData.size()));
  slabs.next();
  auto all = number_in<i64>(slabs.next());
  if (!all || *all < 0) return std::nullopt;
  result.slabs = *all;
  return result;
}

std::optional<VmallocLine> parse_vmallocinfo(std::string_view line) {
  Words words(line);
  std::string_view range = words.next();
  bool is_range = range.find('-') != std::string_view::npos && (range.starts_with("0x") || range.starts_with('('));
  if (!is_range || !number_in<u64>(words.next())) return std::nullopt;
  VmallocLine result;
  std::string_view word = words.next();
  // Areas whose caller is not known, or that are vm_map_ram's, begin with the pages or with a word.
  bool has_caller = word.find('+') != std::string_view::npos || word.starts_with("0x");
  if (has_caller) {
    result.caller = word.substr(0, word.find('+'));
    if (result.caller.empty()) return std::nullopt;
    word = words.next();
    if (word.starts_with('[') && word.ends_with(']')) {
      result.module = word.substr(1, word.size() - 2);
      word = words.next();
    }
  } else {
    result.caller = word.starts_with("pages=") || word.empty() ? "unknown" : word;
  }
  constexpr std::string_view kPages = "pages=";
  for (; !word.empty(); word = words.next()) {
    if (word.starts_with(kPages)) result.pages = number_in<i64>(word.substr(kPages.size()));
  }
  return result;
}

std::optional<SiteLine> parse_allocinfo(std::string_view line) {
  Words words(line);
  auto bytes = number_in<i64>(words.next());
  auto calls = number_in<i64>(words.next());
  std::string_view where = trimmed(words.rest());
  if (!bytes || !calls || where.find(" func:") == std::string_view::npos) return std::nullopt;
  return SiteLine{.bytes = *bytes, .calls = *calls, .where = where};
}

std::optional<BuddyLine> parse_buddyinfo(std::string_view line) {
  Words words(line);
  if (words.next() != "Node") return std::nullopt;
  std::string_view node = words.next();
  if (!node.ends_with(',') || words.next() != "zone") return std::nullopt;
  auto number = number_in<i64>(node.substr(0, node.size() - 1));
  BuddyLine result{.node = number.value_or(-1), .zone = words.next()};
  if (result.node < 0 || result.zone.empty()) return std::nullopt;
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    auto count = number_in<i64>(word);
    if (!count || *count < 0 || result.orders == result.blocks.size()) return std::nullopt;
    result.blocks[result.orders++] = *count;
  }
  return result.orders != 0 ? std::optional(result) : std::nullopt;
}

std::optional<PressureLine> parse_pressure(std::string_view line) {
  Words words(line);
  std::string_view kind = words.next();
  if (kind != "some" && kind != "full") return std::nullopt;
  constexpr std::string_view kTotal = "total=";
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    if (!word.starts_with(kTotal)) continue;
    auto total = number_in<i64>(word.substr(kTotal.size()));
    if (total) return PressureLine{.is_full = kind == "full", .total_us = *total};
  }
  return std::nullopt;
}

void add_line(Sink& sink, const MemoryLine& line) {
  Unit unit = line.is_kb ? Unit::Bytes : Unit::Count;
  sink.add({.kind = Kind::Memory, .unit = unit, .scale = line.is_kb ? 1024 : 1, .field = line.name, .value = line.value});
}

void add_line(Sink& sink, const SlabLine& line, i64 page_bytes) {
  auto add = [&](std::string_view field, Unit unit, i64 scale, i64 value) {
    sink.add({.kind = Kind::Slab, .unit = unit, .scale = scale, .name = line.name, .field = field, .value = value});
  };
  add("active_objects", Unit::Count, 1, line.active_objects);
  add("objects", Unit::Count, 1, line.objects);
  add("object_size", Unit::Bytes, 1, line.object_bytes);
  add("slabs", Unit::Count, 1, line.slabs);
  // What a page count times a slab count overflows is no line of a kernel.
  constexpr i64 kMost = i64{1} << 31;
  if (line.slabs < kMost && line.pages_per_slab < kMost) add("bytes", Unit::Bytes, page_bytes, line.slabs * line.pages_per_slab);
}

void add_line(Sink& sink, const BuddyLine& line) {
  std::string name = fmt::format("node {} {}", line.node, line.zone);
  for (std::size_t order = 0; order < line.orders; ++order) {
    std::string field = fmt::format("order {}", order);
    sink.add({.kind = Kind::Buddy, .name = name, .field = field, .value = line.blocks[order]});
  }
}

}  // namespace orphan::watch
