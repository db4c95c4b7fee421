// SPDX-License-Identifier: Apache-2.0
// What journalctl prints for programs, as the lines of a log: `-o export` (fields by name, an empty line between entries, binary
// ones with their length) and `-o json` (an object a line). Both formats are systemd's, and described there.
//
//     2026-11-27T06:49:44.123456+00:00 host kernel: [ 1234.567890] message
//
// Where another boot of a host begins there is a line as journalctl has it for people: "-- Boot ID --".
#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace orphan::logs {

class Journal {
 public:
  enum class Format : u8 { Export, Json };

  // By the first bytes, which may be few; nothing: it is none.
  static std::optional<Format> format_of(std::string_view head);

  explicit Journal(Format format) : format_(format) {}

  // Appends the lines of entries that are complete. Of JSON each line of the input has its line, so that numbers of lines are the
  // same: what is no entry is handed on as it is.
  void take(std::string_view piece, std::string& lines);
  // Nothing comes any more.
  void end(std::string& lines);

 private:
  // Those that are needed.
  enum Field : u8 { Message, Host, Program, Realtime, Monotonic, SourceMonotonic, BootId };
  static constexpr std::size_t kFields = BootId + 1;
  static std::optional<Field> field_of(std::string_view name);
  void take_export(std::string_view piece, std::string& lines);
  void take_field(std::string_view line);
  void end_entry(std::string& lines);
  void take_json(std::string_view line, std::string& lines);
  void note_boot(std::string& lines);
  void add_line(std::string_view text, std::string& lines) const;

  Format format_;
  std::array<std::string, kFields> fields_;
  std::map<std::string, std::string> boots_;  // the last of each host
  bool is_empty_ = true;                      // the entry has no fields as yet
  std::string line_;                          // begun, and not ended
  std::string size_;                          // of a binary field: the bytes of its length, up to eight
  std::optional<Field> binary_;               // what is wanted of it
  bool is_in_size_ = false;
  u64 binary_left_ = 0;  // bytes of it, and the end of its line
};

}  // namespace orphan::logs
