// SPDX-License-Identifier: Apache-2.0
#include "report/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

namespace orphan {
namespace {

bool is_printable(unsigned char c) {
  return c >= 0x20 && c < 0x7f;
}

void append_escaped(std::string& out, unsigned char c) {
  switch (c) {
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (is_printable(c)) {
    out += static_cast<char>(c);
  } else {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", c);
  }
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) append_escaped(out, static_cast<unsigned char>(c));
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += '\\';
    append_escaped(out, static_cast<unsigned char>(c));
  }
  return out + '"';
}

std::string human_bytes(u64 bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // From here on one decimal would be rounded up to "1024.0".
  constexpr double kNextUnit = 1023.95;
  while (value >= kNextUnit && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string wrapped(std::string_view first, std::string_view text) {
  std::size_t indent = first.size() <= kLineWidth / 2 ? first.size() : 4;
  std::string out;
  std::string line(first);
  bool is_line_empty = true;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    if (!is_line_empty && line.size() + 1 + word.size() > kLineWidth) {
      out += line + '\n';
      line.assign(indent, ' ');
      is_line_empty = true;
    }
    if (!is_line_empty) line += ' ';
    line += word;
    is_line_empty = false;
  }
  return out + line + '\n';
}

std::string with_commas(u64 number) {
  std::string text = fmt::format("{}", number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string counted(u64 number, std::string_view noun) {
  return fmt::format("{} {}{}", with_commas(number), noun, number == 1 ? "" : "s");
}

std::string utc(i64 unix_s) {
  std::time_t time = unix_s;
  std::tm parts{};
  char buffer[64];
  if (::gmtime_r(&time, &parts) == nullptr) return "an unknown time";
  return {buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

std::string to_string(Addr address) {
  return fmt::format("0x{:08x}", address.value);
}

std::string to_string(const Frame& frame) {
  std::string text = frame.symbol.empty() ? fmt::format("0x{:x}", frame.address.value) : printable(frame.symbol);
  if (frame.is_inlined) return text + " (inlined)";
  // With neither address nor size only the function is known.
  bool has_offset = frame.address || frame.symbol_size != 0;
  if (has_offset && !frame.symbol.empty()) text += fmt::format("+0x{:x}/0x{:x}", frame.offset, frame.symbol_size);
  if (!frame.module.empty()) text += fmt::format(" [{}]", printable(frame.module));
  return text;
}

std::string hex_row(Bytes row) {
  row = row.first(std::min(row.size(), kHexRowBytes));
  std::string hex;
  std::string ascii;
  for (std::byte b : row) {
    auto c = std::to_integer<unsigned char>(b);
    fmt::format_to(std::back_inserter(hex), "{:02x} ", c);
    ascii += is_printable(c) ? static_cast<char>(c) : '.';
  }
  return fmt::format("{:<49}{}", hex, ascii);
}

std::string hex_dump(Bytes bytes, std::size_t at_most, std::string_view indent) {
  bytes = bytes.first(std::min(bytes.size(), at_most));
  std::string out;
  while (!bytes.empty()) {
    std::size_t row_bytes = std::min(bytes.size(), kHexRowBytes);
    fmt::format_to(std::back_inserter(out), "{}{}\n", indent, hex_row(bytes.first(row_bytes)));
    bytes = bytes.subspan(row_bytes);
  }
  return out;
}

}  // namespace orphan
