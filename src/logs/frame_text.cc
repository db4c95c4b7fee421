// SPDX-License-Identifier: Apache-2.0
#include "logs/frame_text.h"

#include <algorithm>
#include <limits>

#include "logs/log_line.h"

namespace orphan::logs {
namespace {

constexpr u64 kEnd32 = 0xffff'ffff;
constexpr u64 kEnd64 = ~u64{0};
constexpr std::size_t kMaxName = 512;  // KSYM_NAME_LEN

bool is_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '$';
}

std::string_view take_name(std::string_view& text) {
  auto end = std::ranges::find_if_not(text, is_of_name);
  std::string_view name = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  if (name.empty() || name.size() > kMaxName || (name[0] >= '0' && name[0] <= '9')) return {};
  text.remove_prefix(name.size());
  return name;
}

// "[<…>] ". An address that is printed in full, which is no hash: those have zeros above. Of 32 bits it cannot be told.
bool take_bracket(std::string_view& text, Addr& address) {
  if (!text.starts_with("[<")) return false;
  std::size_t end = text.find(">]");
  if (end == std::string_view::npos) return false;
  std::string_view inside = text.substr(2, end - 2);
  text.remove_prefix(end + 2);
  skip_blanks(text);
  u64 value = 0;
  if (take_number(inside, value, 16) && inside.empty() && (value > kEnd32 || value == kEnd32)) address = Addr{value};
  return true;
}

// " [widget]" or " [widget 91fe27aa]"; nothing is no mistake.
void take_module(std::string_view text, Frame& frame) {
  skip_blanks(text);
  if (!text.starts_with('[')) return;
  text.remove_prefix(1);
  // Names of modules have a hyphen only where a tool took them from a file.
  std::size_t end = text.find_first_of("] ");
  if (end == std::string_view::npos || end == 0) return;
  frame.module = text.substr(0, end);
}

// "+0x41/0x1df".
bool take_offset(std::string_view& text, Frame& frame) {
  return skip(text, "+0x") && take_number(text, frame.offset, 16) && skip(text, "/0x") &&
         take_number(text, frame.symbol_size, 16);
}

// " (drivers/misc/widget.c:123 (discriminator 2)) widget".
bool take_place(std::string_view& text, Frame& frame) {
  skip_blanks(text);
  if (!skip(text, "(")) return false;
  std::size_t colon = text.find(':');
  std::size_t close = text.find(')');
  if (colon == std::string_view::npos || colon == 0 || close < colon) return false;
  std::string_view number = text.substr(colon + 1);
  u64 line = 0;
  if (!take_number(number, line) || line > std::numeric_limits<u32>::max()) return false;
  frame.file = text.substr(0, colon);
  frame.line = static_cast<u32>(line);
  text.remove_prefix(std::min(text.rfind(')') + 1, text.size()));
  skip_blanks(text);
  std::string_view module = take_name(text);
  if (!module.empty()) frame.module = module;
  return true;
}

}  // namespace

bool is_end_of_stack(const Frame& frame) {
  return frame.symbol.empty() && (frame.address.value == kEnd32 || frame.address.value == kEnd64);
}

std::optional<Frame> read_frame(std::string_view text, bool is_indented) {
  skip_blanks(text);
  Frame frame;
  bool has_bracket = take_bracket(text, frame.address);
  if (skip(text, "? ")) skip_blanks(text);
  if (has_bracket && text.empty()) return frame.address ? std::optional(frame) : std::nullopt;
  if (std::string_view number = text; skip(number, "0x")) {
    u64 value = 0;
    if (!take_number(number, value, 16) || (!number.empty() && number[0] != ' ')) return std::nullopt;
    frame.address = Addr{value};
    take_module(number, frame);
    return frame;
  }
  frame.symbol = take_name(text);
  if (frame.symbol.empty()) return std::nullopt;
  if (take_offset(text, frame)) {
    if (!text.empty() && text[0] != ' ') return std::nullopt;
    std::string_view rest = text;
    take_module(text, frame);
    take_place(rest, frame);
    return frame;
  }
  frame.offset = frame.symbol_size = 0;
  if (take_place(text, frame)) return frame;
  // A name alone could be any word.
  std::string_view rest = text;
  skip_blanks(rest);
  take_module(rest, frame);
  bool is_alone = rest.empty() || (!frame.module.empty() && rest.ends_with(']'));
  if (!is_alone || !(is_indented || has_bracket)) return std::nullopt;
  return frame;
}

std::string_view module_alone(std::string_view text) {
  skip_blanks(text);
  if (text.size() < 3 || text[0] != '[' || text.back() != ']') return {};
  std::string_view name = text.substr(1, text.size() - 2);
  return std::ranges::all_of(name, is_of_name) ? name : std::string_view();
}

}  // namespace orphan::logs
