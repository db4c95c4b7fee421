// SPDX-License-Identifier: Apache-2.0
#include "logs/journal.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

namespace orphan::logs {
namespace {

// Of a line or a field: what is longer is cut, as lines are (LineReader).
constexpr std::size_t kMostBytes = 1 << 16;
constexpr std::size_t kSizeBytes = 8;
constexpr u64 kMicroseconds = 1'000'000;
// A head is enough to tell JSON of a journal from other JSON.
constexpr std::size_t kHead = 1 << 12;

void append(std::string& to, std::string_view text) {
  to.append(text.substr(0, kMostBytes - std::min(kMostBytes, to.size())));
}

u64 number_of(std::string_view text) {
  u64 value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string iso_time(u64 microseconds) {
  auto seconds = static_cast<std::time_t>(microseconds / kMicroseconds);
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr || parts.tm_year > 9999 - 1900) parts = {};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+00:00", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec, microseconds % kMicroseconds);
}

// A word of a line: a name that has a blank in it would be two.
std::string word(std::string_view text, std::string_view otherwise) {
  std::string result(text.empty() ? otherwise : text);
  std::ranges::replace_if(result, [](char c) { return c <= ' ' || c == ':'; }, '_');
  return result;
}

// A field's value; where it is no text, journalctl prints the bytes as numbers.
std::string text_of(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string text;
  if (!value.is_array()) return text;
  for (const nlohmann::json& byte : value) {
    if (byte.is_number_unsigned()) text += static_cast<char>(byte.get<u64>());
  }
  return text;
}

}  // namespace

std::optional<Journal::Format> Journal::format_of(std::string_view head) {
  if (head.starts_with("__CURSOR=") || head.starts_with("__REALTIME_TIMESTAMP=")) return Format::Export;
  head = head.substr(0, kHead);
  if (head.starts_with('\x1e')) head.remove_prefix(1);
  std::string_view line = head.substr(0, head.find('\n'));
  if (!line.starts_with("{\"") && !line.starts_with("{ \"")) return std::nullopt;
  for (std::string_view name :
       {"\"__CURSOR\"", "\"__REALTIME_TIMESTAMP\"", "\"__MONOTONIC_TIMESTAMP\"", "\"_BOOT_ID\"", "\"_TRANSPORT\""}) {
    if (line.find(name) != std::string_view::npos) return Format::Json;
  }
  return std::nullopt;
}

std::optional<Journal::Field> Journal::field_of(std::string_view name) {
  constexpr std::array<std::string_view, kFields> kNames{
      "MESSAGE", "_HOSTNAME", "SYSLOG_IDENTIFIER", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP", "_SOURCE_MONOTONIC_TIMESTAMP",
      "_BOOT_ID"};
  const auto* found = std::ranges::find(kNames, name);
  return found == kNames.end() ? std::nullopt : std::optional(static_cast<Field>(found - kNames.begin()));
}

void Journal::take(std::string_view piece, std::string& lines) {
  if (format_ == Format::Export) {
    take_export(piece, lines);
    return;
  }
  while (!piece.empty()) {
    std::size_t end = piece.find('\n');
    // Longer than a line may be: an entry has many fields.
    constexpr std::size_t kMostJson = 1 << 20;
    line_.append(piece.substr(0, std::min(end, kMostJson - std::min(kMostJson, line_.size()))));
    if (end == std::string_view::npos) return;
    take_json(line_, lines);
    line_.clear();
    piece.remove_prefix(end + 1);
  }
}

void Journal::end(std::string& lines) {
  if (format_ == Format::Json) {
    if (!line_.empty()) take_json(line_, lines);
  } else {
    if (!line_.empty()) take_field(line_);
    end_entry(lines);
  }
  line_.clear();
}

void Journal::take_export(std::string_view piece, std::string& lines) {
  while (!piece.empty()) {
    if (is_in_size_) {
      std::size_t taken = std::min(kSizeBytes - size_.size(), piece.size());
      size_.append(piece.substr(0, taken));
      piece.remove_prefix(taken);
      if (size_.size() < kSizeBytes) return;
      is_in_size_ = false;
      binary_left_ = 0;
      for (std::size_t i = 0; i < kSizeBytes; ++i) binary_left_ |= static_cast<u64>(static_cast<u8>(size_[i])) << (8 * i);
      binary_left_ = std::max(binary_left_, binary_left_ + 1);  // with the end of the line
      continue;
    }
    if (binary_left_ != 0) {
      auto taken = static_cast<std::size_t>(std::min<u64>(binary_left_, piece.size()));
      if (binary_) append(fields_[*binary_], piece.substr(0, taken));
      binary_left_ -= taken;
      piece.remove_prefix(taken);
      continue;
    }
    std::size_t end = piece.find('\n');
    append(line_, piece.substr(0, end));
    if (end == std::string_view::npos) return;
    piece.remove_prefix(end + 1);
    if (line_.empty()) {
      end_entry(lines);
    } else {
      take_field(line_);
    }
    line_.clear();
  }
}

// "NAME=value", or "NAME" with a value behind it that may be anything.
void Journal::take_field(std::string_view line) {
  std::size_t equals = line.find('=');
  std::optional<Field> field = field_of(line.substr(0, equals));
  is_empty_ = false;
  if (field) fields_[*field].clear();
  if (equals != std::string_view::npos) {
    if (field) fields_[*field] = line.substr(equals + 1);
    return;
  }
  binary_ = field;
  is_in_size_ = true;
  size_.clear();
}

void Journal::end_entry(std::string& lines) {
  if (is_empty_) return;
  note_boot(lines);
  std::string_view message = fields_[Message];
  while (message.ends_with('\n')) message.remove_suffix(1);
  // A message of several lines is several lines of the log.
  for (;;) {
    std::size_t end = message.find('\n');
    add_line(message.substr(0, end), lines);
    if (end == std::string_view::npos) break;
    message.remove_prefix(end + 1);
  }
  for (std::string& field : fields_) field.clear();
  is_empty_ = true;
}

void Journal::note_boot(std::string& lines) {
  constexpr std::size_t kMostHosts = 10'000;
  const std::string& boot = fields_[BootId];
  if (boot.empty()) return;
  if (boots_.size() >= kMostHosts) boots_.clear();
  auto [at, is_first] = boots_.try_emplace(fields_[Host], boot);
  if (is_first || at->second == boot) return;
  at->second = boot;
  std::string program = std::exchange(fields_[Program], "kernel");
  add_line("-- Boot " + boot + " --", lines);
  fields_[Program] = std::move(program);
}

void Journal::take_json(std::string_view line, std::string& lines) {
  while (line.starts_with('\x1e')) line.remove_prefix(1);  // of -o json-seq
  nlohmann::json entry = nlohmann::json::parse(line, nullptr, false);
  if (!entry.is_object()) {
    lines += line.substr(0, kMostBytes);
    lines += '\n';
    return;
  }
  for (const auto& [name, value] : entry.items()) {
    if (auto field = field_of(name)) fields_[*field] = text_of(value);
  }
  std::ranges::replace(fields_[Message], '\n', ' ');
  is_empty_ = false;
  end_entry(lines);
}

void Journal::add_line(std::string_view text, std::string& lines) const {
  std::string program = word(fields_[Program], "-");
  lines += iso_time(number_of(fields_[Realtime])) + ' ' + word(fields_[Host], "-") + ' ' + program + ": ";
  if (program == "kernel") {
    const std::string& since_boot = fields_[SourceMonotonic].empty() ? fields_[Monotonic] : fields_[SourceMonotonic];
    u64 microseconds = number_of(since_boot);
    if (!since_boot.empty()) lines += fmt::format("[{:5}.{:06}] ", microseconds / kMicroseconds, microseconds % kMicroseconds);
  }
  lines += text.substr(0, kMostBytes - 256);
  lines += '\n';
}

}  // namespace orphan::logs
