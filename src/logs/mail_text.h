// SPDX-License-Identifier: Apache-2.0
// The lines of a text in which there may be mails as they were sent: what a part of a mail is encoded with, quoted-printable or
// base64, is decoded (RFC 2045); all other lines are as they are.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace orphan::logs {

class MailText {
 public:
  // A line, and the number of the line that it begins in.
  using Take = std::function<void(std::string_view, u64)>;

  explicit MailText(Take take) : take_(std::move(take)) {}

  void add(std::string_view line, u64 number);
  // There are no more.
  void end();

 private:
  enum class Encoding : u8 { None, QuotedPrintable, Base64 };

  void read_header(std::string_view line);
  bool ends_part(std::string_view line) const;
  void add_quoted(std::string_view line);
  void add_base64(std::string_view line);
  // Of what is decoded, the lines that are whole.
  void give_lines(u64 number);

  Take take_;
  Encoding announced_ = Encoding::None;  // by the header of a part that has not begun yet
  Encoding encoding_ = Encoding::None;   // of the part that this is
  bool in_type_ = false;                 // of such a header, which may have the boundary
  std::vector<std::string> boundaries_;  // between parts: lines that begin with two dashes and one of these
  std::string decoded_;                  // and not given yet
  u64 number_ = 0;                       // of the line that it begins in
  u32 bits_ = 0, bit_count_ = 0;         // of base64, fewer than a byte has
};

}  // namespace orphan::logs
