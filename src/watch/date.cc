// SPDX-License-Identifier: Apache-2.0
#include "watch/date.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>

#include "watch/line_reader.h"

namespace orphan::watch {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"january", "february", "march",     "april",   "may",      "june",
                                                   "july",    "august",   "september", "october", "november", "december"};
constexpr std::array<std::string_view, 7> kDays{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

struct Zone {
  std::string_view name;
  int minutes = 0;  // east of Greenwich
};
// As date(1) prints them. Of those that several countries use, the meaning that zones of the tz database give to most.
constexpr std::array<Zone, 36> kZones{
    {{"UTC", 0},    {"GMT", 0},     {"Z", 0},       {"WET", 0},    {"WEST", 60},  {"BST", 60},   {"CET", 60},   {"CEST", 120},
     {"MET", 60},   {"MEST", 120},  {"EET", 120},   {"EEST", 180}, {"SAST", 120}, {"MSK", 180},  {"IST", 330},  {"HKT", 480},
     {"AWST", 480}, {"JST", 540},   {"KST", 540},   {"ACST", 570}, {"ACDT", 630}, {"AEST", 600}, {"AEDT", 660}, {"NZST", 720},
     {"NZDT", 780}, {"EST", -300},  {"EDT", -240},  {"CST", -360}, {"CDT", -300}, {"MST", -420}, {"MDT", -360}, {"PST", -480},
     {"PDT", -420}, {"AKST", -540}, {"AKDT", -480}, {"HST", -600}}};

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// The number of the name, from 1 on, in full or by its first three letters; 0: it is none of them.
int place_of(std::string_view word, std::span<const std::string_view> names) {
  std::string lower = lowered(word);
  if (lower.ends_with('.')) lower.pop_back();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (lower == names[i] || lower == names[i].substr(0, 3)) return static_cast<int>(i) + 1;
  }
  return 0;
}

std::optional<int> digits(std::string_view text, std::size_t least, std::size_t most) {
  bool is_number = text.size() >= least && text.size() <= most && text.find_first_not_of("0123456789") == std::string_view::npos;
  return is_number ? number_in<int>(text) : std::nullopt;
}

// Puts a date together out of words in any order. Each word has one meaning, and none may come twice.
class Parts {
 public:
  bool take(std::string_view word) {
    if (word.empty()) return true;
    if (place_of(word, kDays) != 0) return std::exchange(has_weekday_, true) == false;
    if (int month = place_of(word, kMonths); month != 0) return set(month_, month);
    if (std::size_t t = word.find_first_of("T"); t != std::string_view::npos && t > 4 && t + 1 < word.size())
      return take(word.substr(0, t)) && take(word.substr(t + 1));
    if (word.size() == 10 && (word[4] == '-' || word[4] == '/')) return take_day(word);
    if (word.find(':') != std::string_view::npos && !word.starts_with('+') && !word.starts_with('-')) return take_time(word);
    if (auto year = digits(word, 4, 4)) return set(year_, *year);
    if (auto day = digits(word, 1, 2)) return set(day_, *day);
    std::string lower = lowered(word);
    if (lower == "am" || lower == "pm") return set(is_afternoon_, lower == "pm" ? 1 : 0);
    return take_zone(word);
  }

  std::optional<Date> date() const {
    if (!year_ || !month_ || !day_ || !hour_) return std::nullopt;
    std::chrono::year_month_day day{std::chrono::year{*year_}, std::chrono::month{static_cast<unsigned>(*month_)},
                                    std::chrono::day{static_cast<unsigned>(*day_)}};
    int hour = *hour_;
    if (is_afternoon_) {
      if (hour < 1 || hour > 12) return std::nullopt;
      hour = hour % 12 + 12 * *is_afternoon_;
    }
    if (!day.ok() || *year_ < 1970 || hour > 23 || minute_ > 59 || second_ > 60) return std::nullopt;
    i64 days = std::chrono::sys_days(day).time_since_epoch().count();
    i64 minutes = (days * 24 + hour) * 60 + minute_ - zone_minutes_.value_or(0);
    return Date{.unix_ms = (minutes * 60 + second_) * 1000 + millisecond_, .unknown_zone = unknown_zone_};
  }

 private:
  static bool set(std::optional<int>& part, int value) {
    bool is_first = !part;
    part = value;
    return is_first;
  }

  // 2026-11-27
  bool take_day(std::string_view word) {
    auto year = digits(word.substr(0, 4), 4, 4), month = digits(word.substr(5, 2), 2, 2), day = digits(word.substr(8), 2, 2);
    return year && month && day && word[7] == word[4] && set(year_, *year) && set(month_, *month) && set(day_, *day);
  }

  // 06:49, 06:49:25, 06:49:25.123, and whatever zone follows without a blank.
  bool take_time(std::string_view word) {
    if (word.ends_with('Z') && !take_zone("Z")) return false;
    if (word.ends_with('Z')) word.remove_suffix(1);
    if (std::size_t sign = word.find_first_of("+-"); sign != std::string_view::npos) {
      if (!take_zone(word.substr(sign))) return false;
      word = word.substr(0, sign);
    }
    std::size_t colon = word.find(':');
    std::size_t second = word.find(':', colon + 1);
    std::size_t fraction = std::min(word.find_first_of(".,"), word.size());
    auto hour = digits(word.substr(0, colon), 1, 2);
    auto minute = digits(word.substr(colon + 1, second == std::string_view::npos ? second : second - colon - 1), 2, 2);
    if (!hour || !minute || !set(hour_, *hour)) return false;
    minute_ = *minute;
    if (second == std::string_view::npos) return fraction == word.size();
    auto seconds = digits(word.substr(second + 1, fraction - second - 1), 2, 2);
    if (!seconds) return false;
    second_ = *seconds;
    if (fraction == word.size()) return true;
    std::string thousandths(word.substr(fraction + 1));
    if (!digits(thousandths.substr(0, 9), 1, 9)) return false;
    thousandths.resize(3, '0');
    millisecond_ = *digits(thousandths, 3, 3);
    return true;
  }

  // UTC, +0100, +01:00, -03
  bool take_zone(std::string_view word) {
    if (zone_minutes_) return false;
    if (word.starts_with('+') || word.starts_with('-')) {
      std::string number(word.substr(1));
      std::erase(number, ':');
      if (number.size() == 2) number += "00";
      auto value = digits(number, 4, 4);
      if (!value || *value % 100 > 59 || *value > 1400) return false;
      int minutes = *value / 100 * 60 + *value % 100;
      zone_minutes_ = word[0] == '-' ? -minutes : minutes;
      return true;
    }
    bool is_abbreviation =
        !word.empty() && word.size() <= 5 && std::ranges::all_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!is_abbreviation) return false;
    const auto* zone = std::ranges::find(kZones, word, &Zone::name);
    zone_minutes_ = zone == kZones.end() ? 0 : zone->minutes;
    if (zone == kZones.end()) unknown_zone_ = word;
    return true;
  }

  std::optional<int> year_, month_, day_, hour_, is_afternoon_, zone_minutes_;
  int minute_ = 0, second_ = 0, millisecond_ = 0;
  bool has_weekday_ = false;
  std::string unknown_zone_;
};

// What scripts put around a date.
std::string_view without_frame(std::string_view line) {
  constexpr std::string_view kFrame = " \t\r=-*#<>[]|_~@\"'";
  auto strip = [&] {
    line.remove_prefix(std::min(line.find_first_not_of(kFrame), line.size()));
    line.remove_suffix(line.size() - std::min(line.find_last_not_of(kFrame) + 1, line.size()));
  };
  strip();
  std::string lower = lowered(line.substr(0, std::min<std::size_t>(line.size(), 12)));
  for (std::string_view word : {"date", "time", "timestamp"}) {
    if (!lower.starts_with(word)) continue;
    std::string_view rest = line.substr(word.size());
    std::size_t next = rest.find_first_not_of(" :=");
    if (next == 0 || next == std::string_view::npos) continue;
    line = rest.substr(next);
    strip();
    break;
  }
  return line;
}

}  // namespace

std::optional<Date> parse_date(std::string_view line) {
  constexpr std::size_t kLongest = 80;
  line = without_frame(line);
  if (line.empty() || line.size() > kLongest) return std::nullopt;
  // Seconds since 1970, from 1979 on: a smaller number may be anything.
  if (line.find_first_not_of("0123456789.") == std::string_view::npos) {
    std::string_view whole = line.substr(0, line.find('.'));
    auto seconds = number_in<i64>(whole);
    constexpr i64 kLeast = 300'000'000, kMost = 9'999'999'999;
    if (!seconds || *seconds < kLeast || *seconds > kMost || std::ranges::count(line, '.') > 1) return std::nullopt;
    std::string thousandths(whole.size() == line.size() ? "" : line.substr(whole.size() + 1));
    thousandths.resize(3, '0');
    return Date{.unix_ms = *seconds * 1000 + digits(thousandths, 3, 3).value_or(0)};
  }
  Parts parts;
  while (!line.empty()) {
    std::size_t end = std::min(line.find_first_of(" \t,"), line.size());
    // A comma may stand before a fraction, too.
    if (end < line.size() && line[end] == ',' && end + 1 < line.size() && line[end + 1] != ' ')
      end = std::min(line.find_first_of(" \t", end), line.size());
    if (!parts.take(line.substr(0, end))) return std::nullopt;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return parts.date();
}

}  // namespace orphan::watch
