// SPDX-License-Identifier: Apache-2.0
#include "logs/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "logs/log_line.h"

namespace orphan::logs {
namespace {

using Json = nlohmann::json;

constexpr u64 kLargest = u64{1} << 52;  // numbers beyond are none of a machine's
constexpr std::size_t kMaxFrames = 128;
constexpr std::size_t kMaxComms = 64;

const Json* field(const Json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  auto at = json.find(name);
  return at == json.end() || at->is_null() ? nullptr : &*at;
}

std::string text_in(const Json& json, const char* name) {
  const Json* value = field(json, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<u64> number_in(const Json& json, const char* name) {
  const Json* value = field(json, name);
  if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
  u64 number = value->get<u64>();
  return number <= kLargest ? std::optional(number) : std::nullopt;
}

double seconds_in(const Json& json, const char* name) {
  const Json* value = field(json, name);
  return value != nullptr && value->is_number() ? value->get<double>() : 0;
}

// "0xffff888104c2d000".
u64 hexadecimal_in(const Json& json, const char* name) {
  std::string text = text_in(json, name);
  u64 number = 0;
  if (!text.starts_with("0x")) return 0;
  auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), number, 16);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

// Calls `visit` with each entry of an array; an absent one is empty.
template <typename Visit>
void for_each_in(const Json& json, const char* name, Visit visit) {
  const Json* entries = field(json, name);
  if (entries == nullptr || !entries->is_array()) return;
  for (const Json& entry : *entries) visit(entry);
}

BlockKind kind_of(const std::string& word) {
  for (BlockKind kind : {BlockKind::Slab, BlockKind::LargeKmalloc, BlockKind::Vmalloc, BlockKind::PerCpu, BlockKind::Pages}) {
    if (word == to_string(kind)) return kind;
  }
  return BlockKind::Unknown;
}

Memory memory_of(BlockKind kind, const std::string& cache) {
  if (kind == BlockKind::PerCpu) return Memory::PerCpu;
  if (kind == BlockKind::Pages) return Memory::Pages;
  return kind == BlockKind::Unknown && cache == "physical" ? Memory::Physical : Memory::Virtual;
}

std::vector<Frame> stack_in(const Json& json) {
  std::vector<Frame> stack;
  for_each_in(json, "stack", [&](const Json& entry) {
    if (stack.size() == kMaxFrames) return;
    Frame frame{.address = Addr{hexadecimal_in(entry, "address")}};
    frame.symbol = text_in(entry, "symbol");
    frame.offset = number_in(entry, "offset").value_or(0);
    frame.symbol_size = number_in(entry, "symbol_size").value_or(0);
    frame.module = text_in(entry, "module");
    frame.file = text_in(entry, "file");
    frame.line = static_cast<u32>(number_in(entry, "line").value_or(0));
    const Json* inlined = field(entry, "inlined");
    frame.is_inlined = inlined != nullptr && inlined->is_boolean() && inlined->get<bool>();
    if (frame.address || !frame.symbol.empty() || !frame.file.empty()) stack.push_back(std::move(frame));
  });
  return stack;
}

std::vector<std::byte> bytes_of(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (; hex.size() >= 2; hex.remove_prefix(2)) {
    auto value = hex_byte(hex);
    if (!value) return {};
    bytes.push_back(*value);
  }
  return bytes;
}

LeakedObject object_of(const Json& entry) {
  LeakedObject object{.address = Addr{hexadecimal_in(entry, "address")}};
  object.size_bytes = number_in(entry, "size").value_or(0);
  object.checksum = static_cast<u32>(hexadecimal_in(entry, "checksum"));
  object.contents = bytes_of(text_in(entry, "hex"));
  object.cpu = static_cast<u32>(number_in(entry, "cpu").value_or(0));
  if (auto pid = number_in(entry, "pid")) object.pid = static_cast<u32>(*pid);
  object.comm = text_in(entry, "comm");
  object.jiffies = number_in(entry, "jiffies");
  if (field(entry, "age_s") != nullptr) object.age_s = seconds_in(entry, "age_s");
  object.head = Addr{hexadecimal_in(entry, "head")};
  return object;
}

std::optional<Finding> finding_of(const Json& group, bool is_leak) {
  auto count = number_in(group, "count"), bytes = number_in(group, "bytes"), size = number_in(group, "object_size");
  if (!count || !bytes || *count == 0) return std::nullopt;
  Finding finding{.is_leak = is_leak};
  Leak& leak = finding.leak;
  leak.kind = kind_of(text_in(group, "kind"));
  leak.cache = text_in(group, "cache");
  leak.type = text_in(group, "type");
  leak.type_reason = text_in(group, "type_reason");
  leak.object_size_bytes = size.value_or(*bytes / *count);
  leak.total = {*count, *bytes};
  leak.stack = stack_in(group);
  finding.memory = memory_of(leak.kind, leak.cache);
  finding.files = std::max<u64>(number_in(group, "files").value_or(1), 1);
  finding.hosts = std::max<u64>(number_in(group, "hosts").value_or(1), 1);
  finding.without_size = number_in(group, "without_size").value_or(0);
  for_each_in(group, "comms", [&](const Json& entry) {
    std::string comm = text_in(entry, "comm");
    if (!comm.empty() && leak.comms.size() < kMaxComms) leak.comms.push_back({comm, number_in(entry, "count").value_or(1)});
  });
  if (const Json* times = field(group, "allocated"); times != nullptr) {
    leak.times = AllocationTimes{.count = number_in(*times, "count").value_or(0),
                                 .first_s = seconds_in(*times, "first_s"),
                                 .last_s = seconds_in(*times, "last_s")};
    if (leak.times->count == 0) leak.times.reset();
  }
  for_each_in(group, "objects", [&](const Json& entry) {
    LeakedObject object = object_of(entry);
    if (object.address && leak.objects.size() < *count) leak.objects.push_back(std::move(object));
  });
  return finding;
}

struct Part {
  const char* name;
  bool is_leak;
};
// Those of `pages` are possible leaks, as a scan's exit status has it.
constexpr auto kParts = std::to_array<Part>({{"leaks", true}, {"pages", true}, {"groups", false}, {"allocated", false}});

}  // namespace

Result<u64> read_json_report(std::string_view text, const Hooks& hooks) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Error(ErrorCode::BadData, "JSON that is damaged or cut short: make the report anew");
  auto schema = number_in(json, "schema");
  bool has_part = false;
  for (const Part& part : kParts) has_part |= field(json, part.name) != nullptr && field(json, part.name)->is_array();
  if (!schema || !has_part) return Error(ErrorCode::BadData, "JSON, but no report of orphan's; see docs/json.md");
  if (*schema != 1)
    return Error(ErrorCode::Unsupported,
                 fmt::format("JSON of schema {}, and this orphan reads schema 1: use a newer one", *schema));
  u64 found = 0;
  for (const Part& part : kParts) {
    u64 number = 0;
    for_each_in(json, part.name, [&](const Json& group) {
      ++number;
      auto finding = finding_of(group, part.is_leak);
      if (!finding) {
        hooks.complain(0, fmt::format("entry {} of \"{}\" has no count and no bytes: not counted", number, part.name));
        return;
      }
      ++found;
      hooks.found(std::move(*finding));
    });
  }
  return found;
}

}  // namespace orphan::logs
