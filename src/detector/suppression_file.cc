// SPDX-License-Identifier: Apache-2.0
#include "detector/suppression_file.h"

#include <fmt/format.h>
#include <fnmatch.h>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace orphan {
namespace {

// A text as ASCII, and back: each other byte stands there in letters. toml++ (3.3) asks its table of Unicode's blanks about what
// is not ASCII, and that is not defined for all letters.
class AsciiText {
 public:
  explicit AsciiText(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // the mark of a byte order
    // Letters that do not occur, so that nothing else is taken for them.
    for (int i = 0; text.find(mark_ = fmt::format("x{}x", i)) != std::string_view::npos;) ++i;
    for (char c : text) {
      if (static_cast<unsigned char>(c) < 0x80)
        text_ += c;
      else
        text_ += fmt::format("{}{:02x}", mark_, static_cast<unsigned char>(c));
    }
  }

  const std::string& text() const { return text_; }

  // A part of it, or a message with one, as it was.
  std::string restored(std::string_view part) const {
    std::string original;
    for (std::size_t at = part.find(mark_); at != std::string_view::npos; at = part.find(mark_)) {
      original += part.substr(0, at);
      part.remove_prefix(at + mark_.size());
      std::string digits(part.substr(0, 2));
      unsigned byte = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      original += static_cast<char>(byte);
      part.remove_prefix(digits.size());
    }
    return original += part;
  }

 private:
  std::string mark_, text_;
};

class Parser {
 public:
  Parser(const std::string& text, const std::string& path) : text_(text), path_(path) {}

  Result<std::vector<SuppressionRule>> run() {
    toml::parse_result file = toml::parse(text_.text(), path_);
    if (!file) return wrong(file.error().source(), std::string(file.error().description()));
    for (const auto& [key, value] : file.table()) {
      if (key.str() != "suppress")
        return wrong(key.source(), fmt::format("'{}' is not known here: only [[suppress]] is", key.str()));
      const toml::array* rules = value.as_array();
      if (rules == nullptr) return wrong(value.source(), "rules are written [[suppress]], with two brackets");
      for (const toml::node& rule : *rules) {
        if (!rule.is_table()) return wrong(rule.source(), "a rule is a table of keys and values");
        TRY(add(*rule.as_table()));
      }
    }
    return std::move(rules_);
  }

 private:
  Error wrong(const toml::source_region& where, const std::string& what) const {
    return {ErrorCode::BadData,
            fmt::format("{}:{}: {}; see docs/suppressions.md", path_, where.begin.line, text_.restored(what))};
  }

  Result<void> add(const toml::table& table) {
    SuppressionRule rule;
    for (const auto& [key, value] : table) TRY(set(rule, key, value));
    if (rule.name.empty()) return wrong(table.source(), "a rule needs a 'name'");
    bool has_condition = !rule.kind.empty() || !rule.cache.empty() || rule.size_bytes || !rule.symbol.empty() ||
                         !rule.string.empty() || !rule.frame.empty();
    if (!has_condition) {
      return wrong(table.source(),
                   fmt::format("the rule '{}' has no condition and would suppress everything: give it one of kind, "
                               "cache, size, symbol, string, frame",
                               rule.name));
    }
    if (std::ranges::find(rules_, rule.name, &SuppressionRule::name) != rules_.end()) {
      return wrong(table.source(), fmt::format("there is another rule '{}'", rule.name));
    }
    rules_.push_back(std::move(rule));
    return {};
  }

  Result<void> set(SuppressionRule& rule, const toml::key& key, const toml::node& value) const {
    struct Text {
      std::string_view key;
      std::string& to;
    };
    for (Text text : {Text{"name", rule.name}, Text{"comment", rule.comment}, Text{"kind", rule.kind}, Text{"cache", rule.cache},
                      Text{"symbol", rule.symbol}, Text{"string", rule.string}, Text{"frame", rule.frame}}) {
      if (key.str() == text.key) return set_text(text.to, key, value);
    }
    if (key.str() == "size") return set_number(rule.size_bytes, key, value);
    if (key.str() == "limit") return set_number(rule.limit, key, value);
    if (key.str() == "expires") return set_day(rule.expires_day, key, value);
    return wrong(key.source(), fmt::format("'{}' is no key of a rule", key.str()));
  }

  Result<void> set_text(std::string& to, const toml::key& key, const toml::node& value) const {
    auto text = value.value_exact<std::string>();
    if (!text || text->empty()) return wrong(value.source(), fmt::format("'{}' takes a text in quotes", key.str()));
    to = text_.restored(*text);
    return {};
  }

  Result<void> set_number(std::optional<u64>& to, const toml::key& key, const toml::node& value) const {
    auto number = value.value_exact<i64>();
    if (!number || *number < 1) return wrong(value.source(), fmt::format("'{}' takes a number from 1 on", key.str()));
    to = static_cast<u64>(*number);
    return {};
  }

  Result<void> set_day(std::optional<i64>& to, const toml::key& key, const toml::node& value) const {
    auto date = value.value_exact<toml::date>();
    if (!date) return wrong(value.source(), fmt::format("'{}' takes a day without quotes, like 2027-06-30", key.str()));
    std::chrono::year_month_day day{std::chrono::year{date->year}, std::chrono::month{date->month}, std::chrono::day{date->day}};
    to = std::chrono::sys_days(day).time_since_epoch().count();
    return {};
  }

  AsciiText text_;
  const std::string& path_;
  std::vector<SuppressionRule> rules_;
};

bool fits(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

bool any_fits(const std::string& pattern, const std::vector<std::string>& texts) {
  return std::ranges::any_of(texts, [&](const std::string& text) { return fits(pattern, text); });
}

}  // namespace

Result<std::vector<SuppressionRule>> parse_suppressions(const std::string& text, const std::string& path) {
  return Parser(text, path).run();
}

bool matches(const SuppressionRule& rule, const SuppressionFacts& facts) {
  if (!rule.kind.empty() && !fits(rule.kind, facts.kind)) return false;
  if (!rule.cache.empty() && !fits(rule.cache, facts.cache) && !any_fits(rule.cache, facts.aliases)) return false;
  if (rule.size_bytes && *rule.size_bytes != facts.size_bytes) return false;
  if (!rule.symbol.empty() && !any_fits(rule.symbol, facts.symbols)) return false;
  if (!rule.string.empty() && !any_fits(rule.string, facts.strings)) return false;
  return rule.frame.empty() || any_fits(rule.frame, facts.frames);
}

}  // namespace orphan
