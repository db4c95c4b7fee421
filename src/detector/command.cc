// SPDX-License-Identifier: Apache-2.0
#include "detector/command.h"

#include <cerrno>
#include <limits>

#include "base/verify.h"

namespace orphan {
namespace {

using Kind = Command::Kind;

// What a word takes behind it.
enum class Takes : u8 { Nothing, U32, U64 };

struct Word {
  std::string_view text;
  Kind kind;
  Takes takes = Takes::Nothing;
};

// In the order in which kmemleak compares them.
constexpr Word kTheirs[] = {
    {"clear", Kind::Clear},
    {"off", Kind::Off},
    {"stack=on", Kind::StackOn},
    {"stack=off", Kind::StackOff},
    {"scan=on", Kind::ScanOn},
    {"scan=off", Kind::ScanOff},
    {"scan=", Kind::ScanPeriod, Takes::U32},
    {"scan", Kind::Scan},
    {"dump=", Kind::Dump, Takes::U64},
};
constexpr Word kOurs[] = {
    {"on", Kind::On},         {"status", Kind::Status}, {"age=", Kind::Age, Takes::U32}, {"why=", Kind::Why, Takes::U64},
    {"forget", Kind::Forget},
};

constexpr u64 kNoDigit = ~u64{0};

u64 digit_of(char c) {
  if (c >= '0' && c <= '9') return static_cast<u64>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<u64>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<u64>(c - 'A') + 10;
  return kNoDigit;
}

// "0x" makes a number hexadecimal only before a digit; a 0 alone, or before anything else, makes it octal.
u64 take_base(std::string_view& text) {
  if (!text.starts_with('0')) return 10;
  bool is_hexadecimal = text.size() > 2 && (text[1] == 'x' || text[1] == 'X') && digit_of(text[2]) != kNoDigit;
  if (!is_hexadecimal) return 8;
  text.remove_prefix(2);
  return 16;
}

// A number that does not fit is told before junk behind it, as kstrtoull() does it.
std::expected<u64, int> parse_number(std::string_view text, u64 most) {
  if (text.starts_with('+')) text.remove_prefix(1);
  u64 base = take_base(text);
  u64 number = 0;
  bool is_too_large = false;
  std::size_t digits = 0;
  for (; digits < text.size() && digit_of(text[digits]) < base; ++digits) {
    u64 digit = digit_of(text[digits]);
    is_too_large = is_too_large || number > (std::numeric_limits<u64>::max() - digit) / base;
    number = number * base + digit;
  }
  if (is_too_large) return std::unexpected(ERANGE);
  std::string_view rest = text.substr(digits);
  if (digits == 0 || (!rest.empty() && rest != "\n")) return std::unexpected(EINVAL);
  if (number > most) return std::unexpected(ERANGE);
  return number;
}

std::expected<Command, int> with_number(const Word& word, std::string_view rest) {
  if (word.takes == Takes::Nothing) return Command{word.kind};
  u64 most = word.takes == Takes::U32 ? std::numeric_limits<u32>::max() : std::numeric_limits<u64>::max();
  auto number = parse_number(rest, most);
  // For kmemleak an address that is too large is as wrong as any other.
  if (!number) return std::unexpected(word.kind == Kind::Dump ? EINVAL : number.error());
  return Command{word.kind, *number};
}

}  // namespace

std::expected<Command, int> parse_command(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  std::string_view start = text.substr(0, kCommandBytes);
  for (const Word& word : kTheirs) {
    if (start.starts_with(word.text)) return with_number(word, start.substr(word.text.size()));
  }
  if (text.size() > kCommandBytes) return std::unexpected(EINVAL);
  for (const Word& word : kOurs) {
    if (!text.starts_with(word.text)) continue;
    std::string_view rest = text.substr(word.text.size());
    if (word.takes == Takes::Nothing && !rest.empty() && rest != "\n") return std::unexpected(EINVAL);
    return with_number(word, rest);
  }
  return std::unexpected(EINVAL);
}

bool is_allowed_when_off(Kind kind) {
  switch (kind) {
    case Kind::Clear:
    case Kind::On:
    case Kind::Status: return true;
    case Kind::Off:
    case Kind::StackOn:
    case Kind::StackOff:
    case Kind::ScanOn:
    case Kind::ScanOff:
    case Kind::ScanPeriod:
    case Kind::Scan:
    case Kind::Dump:
    case Kind::Age:
    case Kind::Why:
    case Kind::Forget: return false;
  }
  bug("no such command");
}

std::optional<u32> scan_period_ms(u64 seconds) {
  constexpr u64 kMost = std::numeric_limits<u32>::max();
  if (seconds == 0) return std::nullopt;
  return static_cast<u32>(seconds > kMost / 1000 ? kMost : seconds * 1000);
}

}  // namespace orphan
