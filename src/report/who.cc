// SPDX-License-Identifier: Apache-2.0
#include "report/who.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/verify.h"
#include "report/format.h"
#include "report/json_parts.h"
#include "report/print.h"

namespace orphan {
namespace {

constexpr int kSchema = 1;
constexpr std::size_t kMaxStringBytes = 48;
constexpr std::size_t kMaxDumpBytes = 128;

const char* meaning(BlockState state) {
  switch (state) {
    case BlockState::Referenced: return "live, and reached from a root";
    case BlockState::Unreferenced: return "live, and reached from no root: leaked, if it stays so";
    case BlockState::Free: return "free";
    case BlockState::Unstable: return "in a slab that did not hold still: taken as referenced";
    case BlockState::Untracked: return "of a cache that the kernel marks as untracked";
  }
  bug("no such state");
}

const char* word_for(Evidence::Kind kind) {
  return kind == Evidence::Kind::Block ? "points to" : to_string(kind);
}

std::string name_of(const WhoBlock& block) {
  std::string text = block.kind == BlockKind::Slab ? fmt::format("{} object", printable(block.cache)) : printable(block.cache);
  print(text, " {}", to_string(block.address));
  if (block.caller.address) print(text, " of {}", to_string(block.caller));
  return text;
}

std::string line_of(const Referrer& referrer) {
  std::string text = place_of(referrer);
  if (!referrer.weak_form.empty()) print(text, ": {}", referrer.weak_form);
  return text;
}

// Who allocated the block, when, and for whom.
std::string origin_lines(const Who& who) {
  std::string out;
  for (const Frame& frame : who.stack) {
    print(out, "  {:<7}{}", &frame == &who.stack.front() ? "stack:" : "", to_string(frame));
    if (!frame.file.empty()) print(out, " {}:{}", printable(frame.file), frame.line);
    out += '\n';
  }
  if (who.pid) {
    print(out, "  allocated by pid {}", *who.pid);
    if (!who.comm.empty()) print(out, " ({})", printable(who.comm));
    if (who.age_s) print(out, ", {:.0f} s ago", *who.age_s);
    out += '\n';
  }
  if (!who.cgroup.empty()) print(out, "  charged to: {}\n", printable(who.cgroup));
  return out;
}

// A title with their number, and a line for each that is listed.
std::string referrer_lines(std::string_view title, const std::vector<Referrer>& referrers, u64 count) {
  std::string out;
  print(out, "  {}: {}\n", title, with_commas(count));
  for (const Referrer& referrer : referrers) print(out, "    {}\n", line_of(referrer));
  if (count > referrers.size()) print(out, "    +{} more\n", with_commas(count - referrers.size()));
  return out;
}

std::string block_lines(const Who& who) {
  std::string out;
  print(out, "{} is in {}, {} bytes, at +0x{:x}\n", to_string(who.address), name_of(*who.block),
        with_commas(who.block->size_bytes), who.offset_bytes);
  print(out, "  state: {}\n", meaning(who.block->state));
  if (!who.type.empty() && who.type_reason.empty()) print(out, "  type: {}\n", printable(who.type));
  if (!who.type.empty() && !who.type_reason.empty())
    print(out, "  type: likely {}: {}\n", printable(who.type), printable(who.type_reason));
  out += origin_lines(who);
  for (const Evidence& evidence : who.evidence) {
    bool is_string = evidence.kind == Evidence::Kind::String;
    print(out, "  {}: {} at +0x{:x}{}\n", word_for(evidence.kind),
          is_string ? in_quotes(std::string_view(evidence.text).substr(0, kMaxStringBytes)) : printable(evidence.text),
          evidence.offset_bytes, evidence.field.empty() ? "" : " (" + printable(evidence.field) + ")");
  }
  out += hex_dump(who.contents, kMaxDumpBytes, "    ");
  return out;
}

Json block_json(const WhoBlock& block) {
  Json json = Json::object();
  json["address"] = to_string(block.address);
  json["size"] = block.size_bytes;
  json["kind"] = to_string(block.kind);
  json["cache"] = printable(block.cache);
  json["caller"] = block.caller.address ? Json(to_string(block.caller)) : Json();
  json["state"] = to_string(block.state);
  return json;
}

Json referrer_json(const Referrer& referrer) {
  Json json = Json::object();
  json["at"] = referrer.at ? Json(to_string(referrer.at)) : Json();
  json["word"] = fmt::format("0x{:x}", referrer.word);
  json["through_handle"] = referrer.is_forwarded;
  json["weak"] = referrer.weak_form.empty() ? Json() : Json(referrer.weak_form);
  json["block"] = referrer.block ? block_json(*referrer.block) : Json();
  json["offset"] = referrer.block ? Json(referrer.offset_bytes) : Json();
  json["root"] = referrer.block ? Json() : Json(referrer.root);
  return json;
}

Json referrers_json(const std::vector<Referrer>& referrers) {
  Json json = Json::array();
  for (const Referrer& referrer : referrers) json.push_back(referrer_json(referrer));
  return json;
}

Json who_json(const Who& who) {
  Json json = Json::object();
  json["address"] = to_string(who.address);
  json["place"] = who.block ? Json() : Json(who.place);
  json["block"] = who.block ? block_json(*who.block) : Json();
  json["offset"] = who.block ? Json(who.offset_bytes) : Json();
  json["evidence"] = Json::array();
  for (const Evidence& evidence : who.evidence) {
    json["evidence"].push_back({{"kind", to_string(evidence.kind)},
                                {"offset", evidence.offset_bytes},
                                {"text", printable(evidence.text)},
                                {"field", evidence.field.empty() ? Json() : Json(printable(evidence.field))}});
  }
  json["type"] = text_or_null(printable(who.type));
  json["type_reason"] = text_or_null(printable(who.type_reason));
  json["stack"] = Json::array();
  for (const Frame& frame : who.stack) json["stack"].push_back(to_string(frame));
  json["pid"] = who.pid ? Json(*who.pid) : Json();
  json["comm"] = text_or_null(printable(who.comm));
  json["age_s"] = who.age_s ? Json(*who.age_s) : Json();
  json["cgroup"] = text_or_null(printable(who.cgroup));
  std::string hex;
  for (std::byte b : who.contents) print(hex, "{:02x}", std::to_integer<unsigned>(b));
  json["hex"] = hex.empty() ? Json() : Json(hex);
  json["referrer_count"] = who.referrer_count;
  json["referrers"] = referrers_json(who.referrers);
  json["weak_referrer_count"] = who.weak_referrer_count;
  json["weak_referrers"] = referrers_json(who.weak_referrers);
  json["path"] = referrers_json(who.path);
  json["path_is_whole"] = who.is_path_whole;
  return json;
}

}  // namespace

const char* to_string(BlockState state) {
  switch (state) {
    case BlockState::Referenced: return "referenced";
    case BlockState::Unreferenced: return "unreferenced";
    case BlockState::Free: return "free";
    case BlockState::Unstable: return "unstable";
    case BlockState::Untracked: return "untracked";
  }
  bug("no such state");
}

std::string place_of(const Referrer& referrer) {
  std::string text;
  if (referrer.block) {
    print(text, "{}+0x{:x}", name_of(*referrer.block), referrer.offset_bytes);
    if (referrer.block->state != BlockState::Referenced) print(text, " ({})", to_string(referrer.block->state));
  } else {
    text = referrer.root;  // made of printable parts
  }
  if (referrer.is_forwarded) text += ", through the allocator's handle";
  return text;
}

std::string to_text(const Who& who) {
  if (!who.block) return fmt::format("{} is in no allocator's block: {}\n", to_string(who.address), who.place);
  std::string out = block_lines(who);
  out += who.referrer_count == 0 ? "  referrers: none\n" : referrer_lines("referrers", who.referrers, who.referrer_count);
  if (who.weak_referrer_count != 0) out += referrer_lines("weak referrers", who.weak_referrers, who.weak_referrer_count);
  if (who.path.empty()) return out;
  print(out, "  path from a root:\n");
  if (!who.is_path_whole) print(out, "    ...\n");
  for (const Referrer& step : who.path) print(out, "    {} ->\n", line_of(step));
  print(out, "    {}\n", name_of(*who.block));
  return out;
}

std::string to_json(const std::string& target, const std::vector<Who>& answers) {
  Json json = Json::object();
  json["schema"] = kSchema;
  json["target"] = printable(target);
  json["who"] = Json::array();
  for (const Who& who : answers) json["who"].push_back(who_json(who));
  return text_of(json);
}

}  // namespace orphan
