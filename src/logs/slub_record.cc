// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_record.h"

#include <algorithm>
#include <charconv>

namespace orphan::logs {
namespace {

constexpr std::string_view kTrace = "TRACE ";
constexpr std::size_t kMaxName = 512;  // KSYM_NAME_LEN
constexpr std::size_t kMaxCache = 256;

// Most texts differ in the first character: that one is not worth a call.
bool starts_with(std::string_view text, std::string_view word) {
  return !text.empty() && text[0] == word[0] && text.starts_with(word);
}

bool skip(std::string_view& text, std::string_view word) {
  if (!starts_with(text, word)) return false;
  text.remove_prefix(word.size());
  return true;
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
}

bool take_number(std::string_view& text, u64& number, int base) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool is_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '$';
}

std::string_view take_name(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && is_of_name(text[size])) ++size;
  std::string_view name = text.substr(0, size);
  if (name.empty() || name.size() > kMaxName || (name[0] >= '0' && name[0] <= '9')) return {};
  text.remove_prefix(size);
  return name;
}

// Of 16 digits with zeros in the upper half: a hash. Code of 64 bits lies at the top; 32 bits are printed with 8 digits.
bool is_hash(u64 address, std::size_t digits) {
  return digits > 8 && address >> 32 == 0;
}

// "[<c0012378>] ", "[c0000000008b5a2c] "; of several the last one is that of the code.
void take_brackets(std::string_view& text, u64& address) {
  for (;;) {
    std::string_view rest = text;
    skip_blanks(rest);
    if (starts_with(rest, "([<")) rest.remove_prefix(1);
    if (!skip(rest, "[")) return;
    bool has_angle = skip(rest, "<");
    u64 value = 0;
    std::size_t before = rest.size();
    if (!take_number(rest, value, 16)) return;
    std::size_t digits = before - rest.size();
    if (digits < 8 || !skip(rest, has_angle ? ">]" : "]")) return;
    address = is_hash(value, digits) ? 0 : value;
    text = rest;
  }
}

// "+0x21/0x8b".
bool take_offset(std::string_view& text) {
  u64 number = 0;
  return skip(text, "+0x") && take_number(text, number, 16) && skip(text, "/0x") && take_number(text, number, 16);
}

// " [leaky]", " [leaky 91fe27aa]": what is kept of it.
std::size_t size_of_module(std::string_view text) {
  if (!text.starts_with(" [")) return 0;
  std::size_t end = text.find(']');
  return end == std::string_view::npos || end < 3 || text[2] == '<' ? 0 : end + 1;
}

// `may_be_bare`: a name without an offset is one, too.
bool take_frame(std::string_view& text, FrameText& frame, bool may_be_bare) {
  take_brackets(text, frame.address);
  if (frame.address != 0 && (text.empty() || starts_with(text, " from "))) return true;
  skip_blanks(text);
  bool has_parenthesis = skip(text, "(");
  if (skip(text, "? ")) frame.is_reliable = false;
  std::string_view start = text;
  if (skip(text, "0x")) {
    if (!take_number(text, frame.address, 16) || (!text.empty() && text[0] != ' ' && text[0] != ')')) return false;
  } else {
    frame.name = take_name(text);
    if (frame.name.empty()) return false;
    if (take_offset(text)) {
      if (!text.empty() && text[0] != ' ' && text[0] != ')') return false;
      text.remove_prefix(size_of_module(text));
    } else if (may_be_bare) {
      text.remove_prefix(size_of_module(text));
    } else {
      return false;
    }
    frame.symbol = start.substr(0, start.size() - text.size());
  }
  if (has_parenthesis) skip(text, ")");
  return true;
}

// The rest of "f from g", behind f.
bool take_caller(std::string_view text, const FrameText& callee, FrameLine& line) {
  FrameText caller;
  if (!skip(text, " from ") || !take_frame(text, caller, false)) return false;
  line.frames = {callee, caller};
  line.count = 2;
  line.is_pair = true;
  return true;
}

bool starts_with_any(std::string_view name, std::span<const std::string_view> starts) {
  return std::ranges::any_of(starts, [&](std::string_view start) { return starts_with(name, start); });
}

// "alloc " or "free ", whose end the cut line may lack.
bool take_action(std::string_view text, SlubHead& head, std::string_view& rest) {
  head.is_alloc = text.starts_with("alloc ");
  if (!head.is_alloc && !text.starts_with("free ")) return false;
  rest = text.substr(head.is_alloc ? 6 : 5);
  return true;
}

}  // namespace

HeadState read_slub_head(std::string_view message, SlubHead& head) {
  if (!starts_with(message, kTrace)) return HeadState::None;
  // Where the characters of two CPUs' lines are mixed, or a line's end is missing, another head may stand behind the rest of one.
  std::size_t last = message.rfind(kTrace);
  std::string_view text = message.substr(last + kTrace.size());
  // Names of caches have blanks where control groups have (kmalloc-64(12:a b), until 4.20): the address comes first.
  std::size_t address = text.find(" 0x");
  if (address == std::string_view::npos) return HeadState::Damaged;
  std::size_t action = text.substr(0, address).rfind(' ');
  if (action == std::string_view::npos || action == 0 || action > kMaxCache) return HeadState::Damaged;
  head.cache = text.substr(0, action);
  std::string_view rest;
  if (!take_action(text.substr(action + 1), head, rest) || !skip(rest, "0x")) return HeadState::Damaged;
  skip_blanks(rest);
  if (skip(rest, "(____ptrval____)") || skip(rest, "(ptrval)"))
    head.is_hidden = true;
  else if (!take_number(rest, head.address, 16) || head.address == 0)
    return HeadState::Damaged;
  // An address that is cut is another one.
  return rest.starts_with(" inuse=") ? HeadState::Whole : HeadState::Damaged;
}

FrameLine read_frame_line(std::string_view message) {
  FrameLine line;
  std::string_view text = message;
  skip_blanks(text);
  if (text.empty()) return line;
  bool has_no_names = skip(text, "Function entered at");
  FrameText frame;
  // A name alone is one only before " from ".
  if (!take_frame(text, frame, true)) return line;
  if (take_caller(text, frame, line)) {
    // Where a function begins, without its name, tells nothing that the line before has not.
    if (has_no_names) line = {.frames = {line.frames[1]}, .count = 1};
    return line;
  }
  bool has_offset = frame.symbol.size() > frame.name.size() && frame.symbol[frame.name.size()] == '+';
  if (!has_offset && frame.address == 0) return line;
  if (!has_offset && !frame.name.empty()) return line;
  line.frames[0] = frame;
  line.count = 1;
  return line;
}

Frame frame_of(std::string_view symbol, u64 address) {
  Frame frame{.address = Addr{address}};
  std::string_view rest = symbol;
  frame.symbol = take_name(rest);
  if (skip(rest, "+0x") && take_number(rest, frame.offset, 16) && skip(rest, "/0x")) take_number(rest, frame.symbol_size, 16);
  if (skip(rest, " [")) frame.module = rest.substr(0, rest.find_first_of("] "));
  return frame;
}

bool is_stack_title(std::string_view message) {
  skip_blanks(message);
  if (message.size() < 10 || (message[0] != 'C' && message[0] != 'B')) return false;
  return message.starts_with("Call Trace:") || message.starts_with("Call trace:") || message.starts_with("Backtrace:");
}

bool read_task_line(std::string_view message, TaskLine& task) {
  task = {};
  std::string_view rest = message;
  if (skip(rest, "CPU: ")) {
    if (!take_number(rest, task.cpu, 10)) return false;
    task.has_cpu = true;
    constexpr std::string_view kComm = " Comm: ";
    std::size_t at = rest.find(kComm);
    if (at == std::string_view::npos) return true;  // 2.6 on ARM: the task is in a later line
    rest.remove_prefix(at + kComm.size());
  } else if (skip(rest, "Pid: ")) {
    constexpr std::string_view kComm = ", comm: ";
    std::size_t at = rest.find(kComm);
    if (at == std::string_view::npos) return false;
    rest.remove_prefix(at + kComm.size());
    skip_blanks(rest);
  } else {
    return false;
  }
  // Names have blanks. Behind them stands whether the kernel is tainted.
  std::size_t end = std::min(rest.find(" Not tainted"), rest.find(" Tainted: "));
  task.comm = rest.substr(0, std::min(end, rest.find("  ")));
  return true;
}

u64 lost_messages(std::string_view message) {
  constexpr std::string_view kMissed = "Missed ";
  u64 number = 0;
  if (skip(message, "** "))
    return take_number(message, number, 10) && message.starts_with(" printk messages dropped") ? number : 0;
  if (skip(message, kMissed)) return take_number(message, number, 10) && message.starts_with(" kernel messages") ? number : 0;
  return 0;
}

bool is_frame_of_slub(std::string_view name) {
  static constexpr std::string_view kInside[] = {
      "alloc_debug_processing", "alloc_single_from", "get_partial", "get_any_partial",         "get_from_", "new_slab",
      "___slab_alloc",          "__slab_alloc",      "slab_alloc",  "__kmem_cache_alloc_node", "trace.",    "allocate_slab"};
  return is_frame_of_printing(name) || name == "trace" || starts_with_any(name, kInside);
}

bool is_frame_of_printing(std::string_view name) {
  static constexpr std::string_view kPrinting[] = {"dump_stack",       "__dump_stack", "show_stack",     "dump_backtrace",
                                                   "unwind_backtrace", "show_trace",   "walk_stackframe"};
  // Most names are decided by their first letter.
  bool may_be = !name.empty() && std::string_view("d_suw").find(name[0]) != std::string_view::npos;
  return may_be && starts_with_any(name, kPrinting);
}

}  // namespace orphan::logs
