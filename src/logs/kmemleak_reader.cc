// SPDX-License-Identifier: Apache-2.0
#include "logs/kmemleak_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/verify.h"
#include "logs/frame_text.h"
#include "report/format.h"

namespace orphan::logs {
namespace {

constexpr u64 kMaxForeign = 4;          // lines of others in a record, before it is given up
constexpr std::size_t kMaxFrames = 64;  // kmemleak has 16
constexpr u64 kMaxDump = 4096;
constexpr u64 kLargestSize = u64{1} << 52;  // of a block, and of a count of them: their product is checked apart

// "0xffff888104c2d000", or what stands in its place where addresses are hidden: then it is 0.
bool take_address(std::string_view& text, Addr& address) {
  for (std::string_view hidden : {"(____ptrval____)", "____ptrval____", "(ptrval)", "(null)"}) {
    if (skip(text, hidden)) return true;
  }
  if (!skip(text, "0x")) return false;
  return take_number(text, address.value, 16);
}

Memory take_memory(std::string_view& text) {
  if (skip(text, "(percpu) ")) return Memory::PerCpu;
  if (skip(text, "(phys) ")) return Memory::Physical;
  return Memory::Virtual;
}

std::string_view cache_of(Memory memory) {
  switch (memory) {
    case Memory::Virtual: return "(cache not told)";
    case Memory::PerCpu: return "per-cpu";
    case Memory::Physical: return "physical";
    case Memory::Pages: return "pages";
  }
  bug("no such memory");
}

bool starts_a_part(std::string_view text) {
  return text.starts_with("comm \"") || text.starts_with("hex dump (first ") || text.starts_with("backtrace:") ||
         text.starts_with("backtrace (crc ");
}

}  // namespace

bool KmemleakReader::take(const LogLine& line, u64 number) {
  std::string_view text = line.text;
  skip_blanks(text);
  if (text.empty()) return part_ != Part::None;
  if (text.starts_with("unreferenced object")) return take_head(text, line, number);
  if (text.starts_with("Object ") && (line.has_tag || text.starts_with("Object 0x"))) {
    finish();
    part_ = Part::Answer;
    return true;
  }
  // A notice of another record does not come between the lines of one: both are printed by one thread.
  if (line.has_tag && take_notice(text)) {
    finish();
    return true;
  }
  if (part_ == Part::None) {
    if (!starts_a_part(text)) return false;
    hooks_.complain(number, "a record whose first line is missing");
    part_ = Part::Answer;
    return true;
  }
  if (has_tags_ && !line.has_tag) return false;
  if (part_ == Part::Answer) return take_answer(text, line.text.starts_with(' '));
  if (take_inside(text, line)) {
    has_tags_ |= line.has_tag;
    return true;
  }
  if (has_tag_ && !line.has_tag && part_ != Part::Backtrace) return false;
  if (part_ == Part::Backtrace || ++foreign_ > kMaxForeign) {
    finish();
    return false;
  }
  hooks_.complain(number, "not understood, in the middle of a record");
  return true;
}

bool KmemleakReader::take_head(std::string_view text, const LogLine& line, u64 number) {
  finish();
  skip(text, "unreferenced object");
  skip_blanks(text);
  finding_ = {.memory = take_memory(text), .host = std::string(line.host)};
  object_ = {};
  skip_blanks(text);
  u64 size = 0;
  bool is_whole = take_address(text, object_.address);
  skip_blanks(text);
  if (!is_whole || !skip(text, "(size ") || !take_number(text, size) || !text.starts_with(')') || size > kLargestSize) {
    hooks_.complain(number, "an unreferenced object without an address and a size: not counted");
    part_ = Part::Answer;
    return true;
  }
  object_.size_bytes = size;
  finding_.leak.kind = finding_.memory == Memory::PerCpu ? BlockKind::PerCpu : BlockKind::Unknown;
  finding_.leak.cache = cache_of(finding_.memory);
  finding_.leak.object_size_bytes = size;
  finding_.leak.total = {1, size};
  part_ = Part::Head;
  first_line_ = number;
  foreign_ = 0;
  to_dump_ = 0;
  has_task_ = has_tags_ = false;
  has_tag_ = line.has_tag;
  return true;
}

bool KmemleakReader::take_inside(std::string_view text, const LogLine& line) {
  if (take_task(text) || take_dump_title(text) || take_backtrace_title(text) || take_more(text)) return true;
  if (part_ == Part::Dump && take_row(text)) return true;
  if (part_ != Part::Backtrace) return false;
  if (std::string_view module = module_alone(text); !module.empty() && !finding_.leak.stack.empty()) {
    Frame& last = finding_.leak.stack.back();
    if (last.module.empty()) last.module = module;
    return true;
  }
  auto frame = read_frame(text, line.text.starts_with(' '));
  if (!frame) return false;
  std::vector<Frame>& stack = finding_.leak.stack;
  // "[<ffffffff81123456>]" whose symbol a mail has put into the next line.
  bool is_rest = !stack.empty() && stack.back().symbol.empty() && stack.back().address && !frame->address;
  if (is_rest) {
    frame->address = stack.back().address;
    stack.back() = std::move(*frame);
  } else if (!is_end_of_stack(*frame) && stack.size() < kMaxFrames) {
    stack.push_back(std::move(*frame));
  }
  return true;
}

// A name may have quotes and commas in it.
bool KmemleakReader::take_task(std::string_view text) {
  if (has_task_ || part_ != Part::Head || !skip(text, "comm \"")) return false;
  constexpr std::string_view kBehind = "\", pid ";
  std::size_t end = text.rfind(kBehind);
  if (end == std::string_view::npos) return false;
  std::string_view comm = text.substr(0, end);
  text.remove_prefix(end + kBehind.size());
  u64 pid = 0, jiffies = 0;
  if (!take_number(text, pid) || pid > ~u32{0} || !skip(text, ", jiffies ") || !take_number(text, jiffies)) return false;
  has_task_ = true;
  // As orphan prints what it does not know.
  bool is_known = pid != 0 || jiffies != 0 || comm != "unknown";
  if (!is_known) return true;
  object_.comm = comm;
  object_.pid = static_cast<u32>(pid);
  object_.jiffies = jiffies;
  if (!comm.empty()) finding_.leak.comms = {{object_.comm, 1}};
  // Vendors have fields of their own here, and behind it.
  std::size_t at = text.find("(age ");
  if (at == std::string_view::npos) return true;
  double age = 0;
  auto [stop, error] = std::from_chars(text.data() + at + 5, text.data() + text.size(), age, std::chars_format::fixed);
  constexpr double kLongest = 1e10;  // 300 years
  if (error != std::errc() || !(age >= 0 && age < kLongest)) return true;
  object_.age_s = age;
  finding_.leak.times = AllocationTimes{.count = 1, .first_s = age, .last_s = age};
  return true;
}

bool KmemleakReader::take_dump_title(std::string_view text) {
  if (part_ != Part::Head || !skip(text, "hex dump (first ")) return false;
  u64 bytes = 0, cpu = 0;
  if (!take_number(text, bytes) || !skip(text, " bytes")) return false;
  if (skip(text, " on cpu ") && take_number(text, cpu)) object_.cpu = static_cast<u32>(cpu);
  to_dump_ = static_cast<std::size_t>(std::min(bytes, kMaxDump));
  part_ = Part::Dump;
  return true;
}

bool KmemleakReader::take_row(std::string_view text) {
  std::size_t wanted = std::min(to_dump_, kHexRowBytes);
  if (wanted == 0) return false;
  std::vector<std::byte> row;
  for (; row.size() < wanted; text.remove_prefix(2)) {
    if (!row.empty() && !skip(text, " ")) return false;
    auto value = hex_byte(text);
    if (!value) return false;
    row.push_back(*value);
  }
  object_.contents.insert(object_.contents.end(), row.begin(), row.end());
  to_dump_ -= row.size();
  return true;
}

bool KmemleakReader::take_backtrace_title(std::string_view text) {
  if (part_ != Part::Head && part_ != Part::Dump) return false;
  if (!skip(text, "backtrace")) return false;
  if (std::string_view crc = text; skip(crc, " (crc ")) {
    u64 value = 0;
    if (!take_number(crc, value, 16) || value > ~u32{0} || !crc.starts_with(')')) return false;
    object_.checksum = static_cast<u32>(value);
  } else if (!text.starts_with(':')) {
    return false;
  }
  part_ = Part::Backtrace;
  return true;
}

bool KmemleakReader::take_more(std::string_view text) {
  if (part_ != Part::Backtrace || !skip(text, "... and ")) return false;
  u64 more = 0;
  if (!take_number(text, more) || !text.starts_with(" more object") || more > kLargestSize) return false;
  u64 bytes = 0;
  if (__builtin_mul_overflow(more, object_.size_bytes, &bytes) || bytes > kLargestSize) return false;
  finding_.leak.total += {more, bytes};
  finding_.without_size += more;
  return true;
}

bool KmemleakReader::take_notice(std::string_view text) {
  u64 found = 0;
  if (std::string_view rest = text; take_number(rest, found) && skip(rest, " new suspected memory leaks")) {
    announced_ += std::min(found, kLargestSize);
    return true;
  }
  constexpr auto kGivenUp =
      std::to_array<std::string_view>({"Kernel memory leak detector disabled", "Kmemleak disabled without", "Memory pool empty",
                                       "Cannot allocate a kmemleak_object", "Early log buffer exceeded", "Cannot insert 0x"});
  if (std::ranges::any_of(kGivenUp, [&](std::string_view word) { return text.starts_with(word); })) {
    has_given_up_ = true;
    return true;
  }
  constexpr auto kKnown = std::to_array<std::string_view>(
      {"Kernel memory leak detector initialized", "Automatic memory scanning thread", "Cannot allocate a scan area",
       "Found object by", "Trying to color", "Adding scan area", "Scan area larger", "Not scanning unknown", "Setting excess_ref",
       "Unknown object at", "Failed to create the scan", "Kmemleak testing", "Freeing unknown object",
       "Partially freeing unknown"});
  return std::ranges::any_of(kKnown, [&](std::string_view word) { return text.starts_with(word); });
}

// Until something else comes.
bool KmemleakReader::take_answer(std::string_view text, bool is_indented) {
  constexpr auto kFields = std::to_array<std::string_view>({"min_count = ", "count = ", "flags = ", "checksum = "});
  if (starts_a_part(text) || std::ranges::any_of(kFields, [&](std::string_view field) { return text.starts_with(field); }))
    return true;
  if (read_frame(text, is_indented) || (hex_byte(text) && (text.size() == 2 || text[2] == ' ')) || text.starts_with("... and "))
    return true;
  part_ = Part::None;
  return false;
}

void KmemleakReader::finish() {
  Part part = std::exchange(part_, Part::None);
  if (part == Part::None || part == Part::Answer) return;
  finding_.is_partial = part != Part::Backtrace;
  if (finding_.is_partial) hooks_.complain(first_line_, "a record that ends before its backtrace: counted without a stack");
  if (object_.address) finding_.leak.objects = {std::move(object_)};
  hooks_.found(std::exchange(finding_, {}));
}

void KmemleakReader::end() {
  finish();
}

}  // namespace orphan::logs
