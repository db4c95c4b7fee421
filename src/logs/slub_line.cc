// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>

namespace orphan::logs {
namespace {

constexpr int kMaxPrefixes = 8;            // a line has three or four
constexpr std::size_t kMaxBracket = 48;    // "[Fri Nov 27 06:49:44 2026]", "[  T1234567]"
constexpr std::size_t kMaxHostPart = 128;  // up to the "kernel: " of a syslog
constexpr std::string_view kKernel = "kernel: ";
constexpr auto kMonths =
    std::to_array<std::string_view>({"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"});
constexpr auto kDays = std::to_array<std::string_view>({"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"});

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t find(std::string_view text, char c) {
  const void* at = text.empty() ? nullptr : std::memchr(text.data(), c, text.size());
  return at == nullptr ? std::string_view::npos : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

// Digits at the start of `text`, which is advanced; false: there are none, or too many.
bool take_digits(std::string_view& text, u64& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

std::string_view without_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text;
}

// 1 to 12; 0: it is none.
unsigned month_of(std::string_view text) {
  auto month = std::ranges::find(kMonths, text.substr(0, 3));
  return month == kMonths.end() ? 0 : static_cast<unsigned>(month - kMonths.begin()) + 1;
}

bool is_day_of_week(std::string_view text) {
  return std::ranges::find(kDays, text.substr(0, 3)) != kDays.end();
}

// "<6>", "<30>".
bool skip_level(std::string_view& rest) {
  std::size_t at = 1;
  while (at < rest.size() && is_digit(rest[at])) ++at;
  if (at == 1 || at > 4 || at >= rest.size() || rest[at] != '>') return false;
  rest.remove_prefix(at + 1);
  return true;
}

// "T812" or "C1" between brackets: a task, or a CPU while it serves an interrupt. They are padded on either side.
bool take_caller(std::string_view inside, u64& caller) {
  inside = without_blanks(inside);
  if (inside.size() < 2 || (inside[0] != 'T' && inside[0] != 'C')) return false;
  bool is_task = inside[0] == 'T';
  inside.remove_prefix(1);
  u64 number = 0;
  if (!take_digits(inside, number) || !without_blanks(inside).empty()) return false;
  caller = number * 2 + (is_task ? 1 : 2);
  return true;
}

// "1234.567890", "+0.000012", "12.3 < 0.1>", "2026-11-27 06:49:44", "Fri Nov 27 06:49:44 2026". Brackets of addresses of code,
// "[<c0012378>]", are none of these.
bool is_time(std::string_view inside) {
  inside = without_blanks(inside);
  if (inside.empty()) return false;
  if (!is_digit(inside[0]) && inside[0] != '+') return is_day_of_week(inside) && inside.size() > 3 && inside[3] == ' ';
  bool has_mark = false;
  for (char c : inside) {
    if (is_digit(c)) continue;
    bool is_mark = c == '.' || c == ':';
    has_mark |= is_mark;
    if (!is_mark && std::string_view("-+ <>,TZ").find(c) == std::string_view::npos) return false;
  }
  return has_mark;
}

// One blank behind goes, too: the others are the message's. A time and a caller have none between them.
bool skip_bracket(std::string_view& rest, u64& caller) {
  std::size_t end = find(rest.substr(0, kMaxBracket), ']');
  if (end == std::string_view::npos) return false;
  std::string_view inside = rest.substr(1, end - 1);
  if (!take_caller(inside, caller) && !is_time(inside)) return false;
  rest.remove_prefix(end + 1);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  return true;
}

// "6,1234,567890123,-,caller=T812;".
bool skip_kmsg(std::string_view& rest, u64& caller) {
  std::string_view fields = rest;
  u64 number = 0;
  for (int i = 0; i < 3; ++i) {
    if (!take_digits(fields, number) || !fields.starts_with(',')) return false;
    fields.remove_prefix(1);
  }
  std::size_t end = find(fields, ';');
  if (end == std::string_view::npos) return false;
  std::string_view more = fields.substr(0, end);
  constexpr std::string_view kCaller = "caller=";
  if (std::size_t at = more.find(kCaller); at != std::string_view::npos) {
    std::string_view who = more.substr(at + kCaller.size());
    take_caller(who.substr(0, who.find(',')), caller);
  }
  rest = fields.substr(end + 1);
  return true;
}

// Behind a date: up to "kernel: ", before which the host stands; or, where a program has put its date before a console's line,
// up to the console's own prefix.
bool skip_date(std::string_view& rest, std::string_view& host) {
  std::string_view part = rest.substr(0, kMaxHostPart);
  std::size_t at = part.find(kKernel);
  if (at != std::string_view::npos && at != 0) {
    std::string_view before = part.substr(0, at - 1);
    host = before.substr(before.rfind(' ') + 1);
    rest.remove_prefix(at + kKernel.size());
    return true;
  }
  std::size_t bracket = part.find('[');
  if (bracket == std::string_view::npos ||
      part.substr(0, bracket).find_first_not_of("0123456789-:.,+ TZ", 4) != std::string_view::npos)
    return false;
  rest.remove_prefix(bracket);
  return true;
}

// "host kernel: ", behind a time in brackets.
bool skip_host(std::string_view& rest, std::string_view& host) {
  std::size_t end = find(rest.substr(0, kMaxHostPart), ' ');
  if (end == std::string_view::npos || end == 0 || !rest.substr(end + 1).starts_with(kKernel)) return false;
  host = rest.substr(0, end);
  rest.remove_prefix(end + 1 + kKernel.size());
  return true;
}

// "kern  :warn  : ".
bool skip_facility(std::string_view& rest) {
  if ((rest[0] != 'k' && rest[0] != 'u') || (!rest.starts_with("kern") && !rest.starts_with("user"))) return false;
  std::size_t first = find(rest.substr(0, kMaxBracket), ':');
  if (first > 7) return false;
  std::size_t second = find(rest.substr(first + 1, kMaxBracket), ':');
  if (second > 7) return false;
  rest.remove_prefix(first + second + 2);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  return true;
}

bool skip_word(std::string_view& rest, std::string_view word) {
  if (rest[0] != word[0] || !rest.starts_with(word)) return false;
  rest.remove_prefix(word.size());
  return true;
}

bool skip_one(std::string_view& rest, SlubLine& read) {
  char first = rest[0];
  if (first == '[') return skip_bracket(rest, read.caller);
  if (first == '<') return skip_level(rest);
  if (is_digit(first)) {
    bool is_date = rest.size() > 10 && rest[4] == '-' && rest[7] == '-';
    return is_date ? skip_date(rest, read.host) : skip_kmsg(rest, read.caller);
  }
  if (skip_word(rest, kKernel)) return true;
  // "Nov 27 06:49:44 " by its shape, or anything else with such a name first.
  bool is_syslog = rest.size() > 16 && rest[3] == ' ' && rest[6] == ' ' && rest[9] == ':' && rest[12] == ':' && rest[15] == ' ';
  bool is_date = is_syslog || (rest.size() > 4 && rest[3] == ' ' && (month_of(rest) != 0 || is_day_of_week(rest)));
  if (is_date) return skip_date(rest, read.host);
  if (skip_facility(rest)) return true;
  return read.host.empty() && !read.prefix.empty() && skip_host(rest, read.host);
}

// The date before a time of day, as days; nothing is as good as today.
u64 days_of(std::string_view before) {
  before = before.substr(0, before.find_last_not_of(" T") + 1);
  using namespace std::chrono;
  u64 number = 0;
  if (before.size() >= 10 && before[before.size() - 3] == '-') {
    std::string_view date = before.substr(before.size() - 10);
    u64 month = 0, day = 0;
    std::string_view month_text = date.substr(5), day_text = date.substr(8);
    if (!take_digits(date, number) || !take_digits(month_text, month) || !take_digits(day_text, day)) return 0;
    year_month_day whole{year(static_cast<int>(number)), std::chrono::month(static_cast<unsigned>(month)),
                         std::chrono::day(static_cast<unsigned>(day))};
    return whole.ok() ? static_cast<u64>(std::max<i64>(sys_days(whole).time_since_epoch().count(), 0)) : 0;
  }
  std::size_t blank = before.find_last_of(' ');
  if (blank == std::string_view::npos) return 0;
  std::string_view day_text = before.substr(blank + 1);
  std::string_view name = before.substr(0, before.find_last_not_of(' ', blank) + 1);
  if (name.size() < 3 || !take_digits(day_text, number)) return 0;
  // A syslog does not name the year. One with a leap day has every day.
  constexpr int kLeapYear = 2024;
  year_month_day whole{year(kLeapYear), month(month_of(name.substr(name.size() - 3))), day(static_cast<unsigned>(number))};
  return whole.ok() ? static_cast<u64>(sys_days(whole).time_since_epoch().count()) : 0;
}

// "06:49:44.123456" somewhere, with a date before it.
std::optional<double> wall_seconds(std::string_view prefix) {
  for (std::size_t at = 2; at + 6 <= prefix.size(); ++at) {
    if (prefix[at] != ':' || prefix[at + 3] != ':' || !is_digit(prefix[at - 1]) || !is_digit(prefix[at - 2])) continue;
    auto two = [&](std::size_t where) {
      return static_cast<u64>(prefix[where] - '0') * 10 + static_cast<u64>(prefix[where + 1] - '0');
    };
    bool is_whole = is_digit(prefix[at + 1]) && is_digit(prefix[at + 2]) && is_digit(prefix[at + 4]) && is_digit(prefix[at + 5]);
    if (!is_whole) continue;
    constexpr u64 kDay = 86400;
    auto seconds =
        static_cast<double>(days_of(prefix.substr(0, at - 2)) * kDay + two(at - 2) * 3600 + two(at + 1) * 60 + two(at + 4));
    double scale = 0.1;
    for (std::size_t digit = at + 7; digit < prefix.size() && is_digit(prefix[digit]) && scale > 1e-10; ++digit, scale /= 10) {
      if (prefix[at + 6] != '.' && prefix[at + 6] != ',') break;
      seconds += scale * (prefix[digit] - '0');
    }
    return seconds;
  }
  return std::nullopt;
}

// "1234.567890".
std::optional<double> clock_seconds(std::string_view inside) {
  inside = without_blanks(inside);
  u64 whole = 0;
  if (inside.empty() || !is_digit(inside[0]) || !take_digits(inside, whole) || !inside.starts_with('.')) return std::nullopt;
  auto seconds = static_cast<double>(whole);
  double scale = 0.1;
  for (std::size_t at = 1; at < inside.size() && is_digit(inside[at]) && scale > 1e-10; ++at, scale /= 10)
    seconds += scale * (inside[at] - '0');
  return seconds;
}

// Of the fields of /dev/kmsg the one at `index`.
std::optional<u64> kmsg_field(std::string_view prefix, int index) {
  u64 number = 0;
  for (int i = 0;; ++i) {
    if (!take_digits(prefix, number) || !prefix.starts_with(',')) return std::nullopt;
    if (i == index) return number;
    prefix.remove_prefix(1);
  }
}

}  // namespace

SlubLine split_slub_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  SlubLine read;
  std::string_view rest = line;
  for (int i = 0; i < kMaxPrefixes && !rest.empty(); ++i) {
    // A frame of a stack, and most that is indented, has all of its prefixes behind it.
    bool is_frame = rest[0] == ' ' || (rest[0] == '[' && rest.size() > 1 && rest[1] == '<');
    if (is_frame || !skip_one(rest, read)) break;
    read.prefix = line.substr(0, line.size() - rest.size());
  }
  read.message = rest;
  return read;
}

std::optional<double> seconds_of_prefix(std::string_view prefix) {
  for (std::size_t at = find(prefix, '['); at != std::string_view::npos;) {
    std::string_view inside = prefix.substr(at + 1);
    if (auto seconds = clock_seconds(inside.substr(0, inside.find(']')))) return seconds;
    std::size_t next = find(inside, '[');
    at = next == std::string_view::npos ? next : at + 1 + next;
  }
  constexpr double kMicrosecond = 1e-6;
  if (auto time = kmsg_field(prefix, 2)) return static_cast<double>(*time) * kMicrosecond;
  return wall_seconds(prefix);
}

std::optional<u64> sequence_of_prefix(std::string_view prefix) {
  return kmsg_field(prefix, 2) ? kmsg_field(prefix, 1) : std::nullopt;
}

}  // namespace orphan::logs
