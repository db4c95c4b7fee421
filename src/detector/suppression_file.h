// SPDX-License-Identifier: Apache-2.0
// What the user does not want to hear of: rules in a TOML file. docs/suppressions.md describes every key.
//
//     [[suppress]]
//     name = "driver X keeps its table for ever"
//     cache = "kmalloc-*"
//     symbol = "x_table_ops*"
//     limit = 4
//     expires = 2027-06-30
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace orphan {

// Every condition that is given must hold. Texts are patterns as fnmatch(3) has them: * ? [...].
struct SuppressionRule {
  std::string name;
  std::string comment = {};
  std::string kind = {};                // "slab", "vmalloc", ...
  std::string cache = {};               // of the cache, or of another that was merged into it
  std::optional<u64> size_bytes = {};   // of the object
  std::string symbol = {};              // the block holds a pointer to it
  std::string string = {};              // the block holds it; anywhere
  std::string frame = {};               // a function on the stack of the allocation
  std::optional<u64> limit = {};        // so many blocks and no more
  std::optional<i64> expires_day = {};  // days since 1970-01-01: from the next day on the rule does not apply
};

// BadData names the file, the line, and what is wrong there.
Result<std::vector<SuppressionRule>> parse_suppressions(const std::string& text, const std::string& path);

// What is known of a leaked block.
struct SuppressionFacts {
  std::string kind, cache;
  std::vector<std::string> aliases;
  u64 size_bytes = 0;
  std::vector<std::string> symbols, strings, frames;
};
bool matches(const SuppressionRule& rule, const SuppressionFacts& facts);
// Whether the contents or the stack of a block have to be known.
inline bool needs_contents(const SuppressionRule& rule) {
  return !rule.symbol.empty() || !rule.string.empty();
}

}  // namespace orphan
