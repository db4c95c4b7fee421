// SPDX-License-Identifier: Apache-2.0
#include "kernel/vmcoreinfo.h"

#include <algorithm>
#include <charconv>

namespace orphan::kernel {

namespace {

std::optional<u64> parse_unsigned(std::string_view digits, int base) {
  u64 value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<u64> parse_hexadecimal(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  return parse_unsigned(text, 16);
}

std::optional<u64> parse_number(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::optional<u64> value = text.starts_with("0x") ? parse_hexadecimal(text) : parse_unsigned(text, 10);
  if (value && negative) value = u64{0} - *value;
  return value;
}

std::optional<u64> parse_number(std::optional<std::string_view> text) {
  return text ? parse_number(*text) : std::nullopt;
}

}  // namespace

Vmcoreinfo Vmcoreinfo::parse(std::string_view text) {
  Vmcoreinfo info;
  while (!text.empty()) {
    // A dump pads the note with zeros.
    std::size_t end = std::min(text.find_first_of(std::string_view("\n\0", 2)), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::size_t equals = line.find('=');
    if (equals == 0 || equals == std::string_view::npos) continue;
    info.entries_.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return info;
}

std::optional<std::string_view> Vmcoreinfo::value(std::string_view key) const {
  auto entry = entries_.find(key);
  return entry != entries_.end() ? std::optional<std::string_view>(entry->second) : std::nullopt;
}

std::optional<std::string_view> Vmcoreinfo::value(std::string_view kind, std::string_view name) const {
  return value(std::string(kind).append("(").append(name).append(")"));
}

std::optional<Addr> Vmcoreinfo::symbol(std::string_view name) const {
  std::optional<std::string_view> text = value("SYMBOL", name);
  std::optional<u64> address = text ? parse_hexadecimal(*text) : std::nullopt;
  return address ? std::optional(Addr{*address}) : std::nullopt;
}

std::optional<u64> Vmcoreinfo::number(std::string_view name) const {
  return parse_number(value("NUMBER", name));
}

std::optional<u64> Vmcoreinfo::offset(std::string_view member) const {
  return parse_number(value("OFFSET", member));
}

std::optional<u64> Vmcoreinfo::size(std::string_view type) const {
  return parse_number(value("SIZE", type));
}

std::optional<u64> Vmcoreinfo::length(std::string_view array) const {
  return parse_number(value("LENGTH", array));
}

std::optional<u64> Vmcoreinfo::kernel_offset() const {
  std::optional<std::string_view> text = value("KERNELOFFSET");
  return text ? parse_hexadecimal(*text) : std::nullopt;
}

std::string Vmcoreinfo::release() const {
  return std::string(value("OSRELEASE").value_or(""));
}

std::string Vmcoreinfo::build_id() const {
  return std::string(value("BUILD-ID").value_or(""));
}

}  // namespace orphan::kernel
