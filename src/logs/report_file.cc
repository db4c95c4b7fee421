// SPDX-License-Identifier: Apache-2.0
#include "logs/report_file.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "logs/json_reader.h"
#include "logs/mail_text.h"
#include "logs/text_input.h"

namespace orphan::logs {
namespace {

constexpr std::size_t kLargestJson = std::size_t{1} << 30;

constexpr std::string_view kRecordingStart = "orphan recording";

struct Other {
  std::string_view start;
  std::string_view what;
};
// Files that somebody may take for reports.
constexpr auto kOthers = std::to_array<Other>({
    {kRecordingStart, "a recording, which has to be scanned: orphan scan core:FILE, with --format=json for a report"},
    {"orphan notes ", "notes of orphan track --save, which belong to a scan: orphan scan --notes FILE"},
    {"\x7f"
     "ELF",
     "an ELF file, a core or a program, and no report"},
    {"KDUMP", "a compressed dump of a kernel, and no report"},
    {"SQLite format 3", "a database, and no report"},
    {"PK\x03\x04", "a zip archive: unpack it first"},
    {"\xfd"
     "7zXZ",
     "compressed with xz: give what xz -dc FILE prints, to orphan report -"},
    {"BZh", "compressed with bzip2: give what bzip2 -dc FILE prints, to orphan report -"},
});

Error nothing_understood(bool is_binary) {
  if (is_binary) return {ErrorCode::BadData, "binary data, and no report that orphan knows"};
  return {ErrorCode::BadData,
          "nothing in it is a report that orphan knows: kmemleak's, page_owner's, a kernel's log, or JSON of orphan's"};
}

bool is_binary(std::string_view line) {
  constexpr std::size_t kLook = 512;
  line = line.substr(0, kLook);
  return line.find('\0') != std::string_view::npos;
}

Result<void> refuse_others(std::string_view text) {
  for (const Other& other : kOthers) {
    if (text.starts_with(other.start)) return Error(ErrorCode::Unsupported, std::string(other.what));
  }
  return {};
}

Result<FileFacts> read_json(TextInput& input, std::string_view first, const Hooks& hooks) {
  std::string text(first);
  for (;;) {
    std::string_view piece = TRY(input.read());
    if (piece.empty()) break;
    if (text.size() + piece.size() > kLargestJson) return Error(ErrorCode::BadData, "JSON of more than a GiB");
    text += piece;
  }
  FileFacts facts;
  facts.records = TRY(read_json_report(text, hooks));
  return facts;
}

Result<FileFacts> read_text(TextInput& input, std::string_view first, const Hooks& hooks) {
  LineReader lines(input, first);
  TextReader reader(hooks);
  MailText mails([&](std::string_view line, u64 number) { reader.take(line, number); });
  bool has_binary = false;
  for (;;) {
    auto line = lines.next();
    if (!line) {
      hooks.complain(lines.number() + 1, line.error().text());
      break;
    }
    if (!*line) break;
    has_binary |= is_binary(**line);
    mails.add(**line, lines.number());
  }
  mails.end();
  reader.end();
  const FileFacts& facts = reader.facts();
  bool is_understood = facts.records != 0 || facts.announced != 0 || facts.is_log || facts.damaged != 0;
  if (facts.has_other_text && !is_understood) return nothing_understood(has_binary);
  return facts;
}

Result<FileFacts> read(TextInput& input, const Hooks& hooks) {
  std::string_view first = TRY(input.read());
  skip(first, "\xef\xbb\xbf");  // the mark of a byte order, which is none in UTF-8
  TRY(refuse_others(first));
  std::size_t start = first.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && first[start] == '{') return read_json(input, first, hooks);
  return read_text(input, first, hooks);
}

}  // namespace

bool is_recording(const std::string& path) {
  // What is no regular file may be readable only once.
  std::error_code unknown;
  if (path == "-" || !std::filesystem::is_regular_file(path, unknown)) return false;
  std::ifstream file(path, std::ios::binary);
  std::string start(kRecordingStart.size(), '\0');
  return bool(file.read(start.data(), static_cast<std::streamsize>(start.size()))) && start == kRecordingStart;
}

Result<FileFacts> read_report_file(const std::string& path, const Hooks& hooks) {
  TextInput input = TRY(TextInput::open(path));
  auto facts = read(input, hooks);
  if (!facts) return std::move(facts).error().in(path == "-" ? "standard input" : path);
  return facts;
}

}  // namespace orphan::logs
