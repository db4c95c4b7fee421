// SPDX-License-Identifier: Apache-2.0
#include "logs/log_line.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace orphan::logs {
namespace {

constexpr int kMaxPrefixes = 12;  // a line has three or four

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

struct Replacement {
  std::string_view from, to;
};
// What web pages and mails make of plain text. A no-break space is a blank.
constexpr auto kReplacements = std::to_array<Replacement>({
    {"&gt;", ">"},
    {"&lt;", "<"},
    {"&quot;", "\""},
    {"&#34;", "\""},
    {"&#39;", "'"},
    {"&nbsp;", " "},
    {"&amp;", "&"},
    {"\xc2\xa0", " "},
    {"\t", " "},
});

// A colour: ESC [ … letter.
std::size_t size_of_escape(std::string_view text) {
  if (text.size() < 2 || text[0] != '\x1b' || text[1] != '[') return 0;
  std::size_t end = text.find_first_not_of("0123456789;?", 2);
  return end == std::string_view::npos ? text.size() : end + 1;
}

std::string_view cleaned(std::string_view line, std::string& scratch) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  if (line.find_first_of("&\xc2\x1b\t\r") == std::string_view::npos) return line;
  scratch.clear();
  while (!line.empty()) {
    if (std::size_t size = size_of_escape(line); size != 0) {
      line.remove_prefix(size);
      continue;
    }
    auto fits = std::ranges::find_if(kReplacements, [&](const Replacement& each) { return line.starts_with(each.from); });
    if (fits != kReplacements.end()) {
      scratch += fits->to;
      line.remove_prefix(fits->from.size());
      continue;
    }
    // A terminal that was logged writes what comes after a return over what was before; a console does not send one alone.
    if (line[0] != '\r') scratch += line[0];
    line.remove_prefix(1);
  }
  std::string_view clean = scratch;
  while (!clean.empty() && clean.back() == ' ') clean.remove_suffix(1);
  return clean;
}

// "> > text": with each mark goes one blank.
void skip_quotes(std::string_view& line) {
  for (;;) {
    std::size_t at = line.find_first_not_of(' ');
    if (at > 2 || line[at] != '>') return;
    line.remove_prefix(at + 1);
    if (line.starts_with(' ')) line.remove_prefix(1);
  }
}

// "<4>" or "<12>".
bool skip_level(std::string_view& line) {
  if (!line.starts_with('<')) return false;
  std::size_t end = line.find('>');
  if (end > 4 || !all_of(line.substr(1, end - 1), "0123456789")) return false;
  line.remove_prefix(end + 1);
  return true;
}

// "4,1234,567890123,-;" with more fields behind the fourth, as "caller=T12".
bool skip_record(std::string_view& line) {
  std::string_view rest = line;
  u64 number = 0;
  for (int field = 0; field < 3; ++field) {
    if (!take_number(rest, number) || !skip(rest, ",")) return false;
  }
  std::size_t end = rest.find(';');
  if (end == std::string_view::npos || end == 0 || rest.substr(0, end).find(' ') != std::string_view::npos) return false;
  line = rest.substr(end + 1);
  return true;
}

bool starts_with_name_of_time(std::string_view text) {
  constexpr auto kNames = std::to_array<std::string_view>({"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar",
                                                           "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"});
  return text.size() > 3 && std::ranges::find(kNames, text.substr(0, 3)) != kNames.end() && (text[3] == ' ' || is_digit(text[3]));
}

// What may stand in brackets: a time ("1234.567890", "+0.000012", "12.3 < 0.1>", "Fri Nov 27 06:49:44 2026"), or who printed
// it ("T812", "C1").
bool is_time_or_caller(std::string_view inside) {
  skip_blanks(inside);
  if (inside.empty()) return false;
  if (inside[0] == 'T' || inside[0] == 'C') {
    std::string_view number = inside.substr(1);
    while (number.ends_with(' ')) number.remove_suffix(1);
    if (all_of(number, "0123456789")) return true;
  }
  if (is_letter(inside[0])) return starts_with_name_of_time(inside) && inside.find(':') != std::string_view::npos;
  return inside[0] != '<' && inside.find('.') != std::string_view::npos && all_of(inside, "0123456789.+ <>");
}

// "[ 1234.567890] ", of whose blanks one goes: the others are the message's.
bool skip_brackets(std::string_view& line) {
  if (!line.starts_with('[')) return false;
  std::size_t end = line.find(']');
  if (end == std::string_view::npos || !is_time_or_caller(line.substr(1, end - 1))) return false;
  line.remove_prefix(end + 1);
  if (line.starts_with(' ')) line.remove_prefix(1);
  return true;
}

// "kern  :warn  : ".
bool skip_facility(std::string_view& line) {
  std::string_view rest = line;
  if (!skip(rest, "kern") && !skip(rest, "user")) return false;
  skip_blanks(rest);
  if (!skip(rest, ":")) return false;
  while (!rest.empty() && is_letter(rest[0])) rest.remove_prefix(1);
  skip_blanks(rest);
  if (!skip(rest, ":")) return false;
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  line = rest;
  return true;
}

std::string_view take_word(std::string_view& text) {
  skip_blanks(text);
  std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

bool is_time_of_day(std::string_view word) {
  return word.size() >= 8 && word[2] == ':' && word[5] == ':' && is_digit(word[0]) && all_of(word, "0123456789:.,+-Z");
}

bool is_date(std::string_view word) {
  return word.size() >= 10 && word[4] == '-' && word[7] == '-' && all_of(word.substr(0, 4), "0123456789");
}

// "Nov 27 06:49:44 ", "2026-11-27T06:49:44.123456+00:00 ", "Fri 2026-11-27 06:49:44 UTC ", "2026-11-27 06:49:44 ".
bool skip_time(std::string_view& line) {
  std::string_view rest = line;
  std::string_view word = take_word(rest);
  bool is_day = word.size() == 3 && starts_with_name_of_time(line);
  if (is_day) word = take_word(rest);
  if (is_date(word)) {
    bool is_whole = word.size() > 11 && word[10] == 'T' && is_time_of_day(word.substr(11));
    if (!is_whole && !is_time_of_day(take_word(rest))) return false;
    if (!is_whole && is_day) take_word(rest);  // the time zone
  } else if (is_day && all_of(word, "0123456789")) {
    if (!is_time_of_day(take_word(rest))) return false;
  } else {
    return false;
  }
  if (rest.empty()) return false;
  line = rest;
  return true;
}

// "host kernel: ", behind a time. False: it is another program's line, or has no host.
bool skip_host(std::string_view& line, std::string_view& host) {
  std::string_view rest = line;
  std::string_view name = take_word(rest);
  skip_blanks(rest);
  if (name.empty() || name.ends_with(':') || !skip(rest, "kernel")) return false;
  if (rest.starts_with('[')) rest.remove_prefix(std::min(rest.find(']') + 1, rest.size()));
  if (!skip(rest, ":")) return false;
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  host = name;
  line = rest;
  return true;
}

// Without a host, as a console server or `journalctl -o cat` with a tag leaves it.
bool skip_program(std::string_view& line) {
  return skip(line, "kernel: ");
}

void skip_log_prefix(LogLine& line) {
  for (int i = 0; i < kMaxPrefixes; ++i) {
    std::string_view text = line.text;
    std::size_t indent = std::min(text.find_first_not_of(' '), text.size());
    std::string_view body = text.substr(indent);
    // The host of `journalctl -o short-monotonic` comes behind a time in brackets.
    if (line.is_log && line.host.empty() && skip_host(body, line.host)) {
      line.text = body;
      continue;
    }
    if (skip_time(body)) {
      line.is_log = true;
      skip_blanks(body);
      line.is_kernel = skip_host(body, line.host) || skip_program(body);
    } else if (skip_level(body) || skip_brackets(body) || skip_record(body) || skip_facility(body) || skip_program(body)) {
      line.is_log = true;
    } else {
      return;
    }
    line.text = body;
    if (!line.is_kernel) return;
  }
}

}  // namespace

bool skip(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
}

bool take_number(std::string_view& text, u64& number, int base) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

std::optional<std::byte> hex_byte(std::string_view text) {
  std::string_view digits = text.substr(0, 2);
  u64 value = 0;
  bool is_byte = digits.size() == 2 && take_number(digits, value, 16) && digits.empty();
  return is_byte ? std::optional(static_cast<std::byte>(value)) : std::nullopt;
}

LogLine read_log_line(std::string_view line, std::string& scratch) {
  LogLine read{.text = cleaned(line, scratch)};
  skip_quotes(read.text);
  skip_log_prefix(read);
  std::string_view text = read.text;
  skip_blanks(text);
  if (skip(text, "kmemleak:")) {
    read.has_tag = true;
    if (text.starts_with(' ')) text.remove_prefix(1);
    read.text = text;
  }
  return read;
}

}  // namespace orphan::logs
