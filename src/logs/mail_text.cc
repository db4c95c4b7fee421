// SPDX-License-Identifier: Apache-2.0
#include "logs/mail_text.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "logs/log_line.h"

namespace orphan::logs {
namespace {

constexpr std::size_t kMostBoundaries = 100;
// Of a line that is soft-wrapped; what is longer is cut.
constexpr std::size_t kLongestLine = 1 << 16;

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// `word` is in small letters.
bool begins_with(std::string_view text, std::string_view word) {
  return text.size() >= word.size() &&
         std::ranges::equal(text.substr(0, word.size()), word, [](char a, char b) { return lower(a) == b; });
}

std::size_t find_word(std::string_view text, std::string_view word) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (begins_with(text.substr(at), word)) return at;
  }
  return std::string_view::npos;
}

std::string_view without_end(std::string_view text, std::string_view unwanted) {
  std::size_t last = text.find_last_not_of(unwanted);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::optional<u32> base64_digit(char digit) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t at = kDigits.find(digit);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<u32>(at);
}

bool is_base64(std::string_view line) {
  return std::ranges::all_of(line, [](char c) { return c == '=' || base64_digit(c).has_value(); });
}

}  // namespace

// What is between parts, and a new mail in a file of mails, end one. So does, in base64, a line that is none.
bool MailText::ends_part(std::string_view line) const {
  if (line.starts_with("From ") || (encoding_ == Encoding::Base64 && !is_base64(without_end(line, " \t\r")))) return true;
  if (!line.starts_with("--")) return false;
  return std::ranges::any_of(boundaries_, [&](const std::string& boundary) { return line.substr(2).starts_with(boundary); });
}

void MailText::read_header(std::string_view line) {
  constexpr std::string_view kEncoding = "content-transfer-encoding:";
  constexpr std::string_view kBoundary = "boundary=";
  if (begins_with(line, kEncoding)) {
    line.remove_prefix(kEncoding.size());
    skip_blanks(line);
    announced_ = begins_with(line, "quoted-printable") ? Encoding::QuotedPrintable
                 : begins_with(line, "base64")         ? Encoding::Base64
                                                       : Encoding::None;
    in_type_ = false;
    return;
  }
  // In the line of the type, or in one that goes on with it.
  bool goes_on = in_type_ && (line.starts_with(' ') || line.starts_with('\t'));
  in_type_ = goes_on || begins_with(line, "content-type:");
  if (!in_type_) return;
  std::size_t at = find_word(line, kBoundary);
  if (at == std::string_view::npos || boundaries_.size() >= kMostBoundaries) return;
  line.remove_prefix(at + kBoundary.size());
  bool is_quoted = skip(line, "\"");
  line = line.substr(0, line.find_first_of(is_quoted ? "\"" : "; \t\r"));
  if (!line.empty()) boundaries_.emplace_back(line);
}

void MailText::add(std::string_view line, u64 number) {
  if (encoding_ != Encoding::None && ends_part(line)) {
    end();
    encoding_ = Encoding::None;
  }
  if (line.starts_with("From ")) boundaries_.clear();
  if (encoding_ == Encoding::None) {
    if (without_end(line, " \t\r").empty()) encoding_ = std::exchange(announced_, Encoding::None);
    read_header(line);
    take_(line, number);
    return;
  }
  if (decoded_.empty()) number_ = number;
  line = without_end(line, " \t\r");
  if (encoding_ == Encoding::QuotedPrintable)
    add_quoted(line);
  else
    add_base64(line);
  give_lines(number);
}

void MailText::add_quoted(std::string_view line) {
  while (!line.empty()) {
    if (line == "=") return;  // the line goes on
    if (line.front() == '=') {
      if (std::optional<std::byte> byte = hex_byte(line.substr(1))) {
        decoded_ += static_cast<char>(*byte);
        line.remove_prefix(3);
        continue;
      }
    }
    decoded_ += line.front();
    line.remove_prefix(1);
  }
  decoded_ += '\n';
}

void MailText::add_base64(std::string_view line) {
  for (char c : line) {
    if (c == '=') {
      bits_ = bit_count_ = 0;
      continue;
    }
    bits_ = bits_ << 6 | base64_digit(c).value_or(0);
    bit_count_ += 6;
    if (bit_count_ < 8) continue;
    bit_count_ -= 8;
    decoded_ += static_cast<char>(bits_ >> bit_count_ & 0xff);
    bits_ &= (1U << bit_count_) - 1;
  }
}

void MailText::give_lines(u64 number) {
  std::size_t from = 0;
  for (std::size_t end = decoded_.find('\n'); end != std::string::npos; end = decoded_.find('\n', from)) {
    take_(without_end(std::string_view(decoded_).substr(from, end - from), "\r"), number_);
    from = end + 1;
    number_ = number;  // what follows begins here
  }
  decoded_.erase(0, from);
  if (decoded_.size() <= kLongestLine) return;
  take_(decoded_, number_);
  decoded_.clear();
}

void MailText::end() {
  if (!decoded_.empty()) take_(without_end(decoded_, "\r"), number_);
  decoded_.clear();
  bits_ = bit_count_ = 0;
}

}  // namespace orphan::logs
