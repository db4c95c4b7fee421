// SPDX-License-Identifier: Apache-2.0
// A user's file of rules: any text. It is turned down with its name and a line, or each of its rules says something; whether one
// matches a block is always known.
#include <set>

#include "detector/suppression_file.h"
#include "input.h"

using namespace orphan;

namespace {

bool has_condition(const SuppressionRule& rule) {
  return !rule.kind.empty() || !rule.cache.empty() || rule.size_bytes || needs_contents(rule) || !rule.frame.empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  auto rules = parse_suppressions(std::string(fuzz::text_of(fuzz::Input(data, size).rest())), "rules.toml");
  if (!rules) {
    VERIFY(rules.error().code() == ErrorCode::BadData);
    VERIFY(rules.error().text().starts_with("rules.toml:"));
    return 0;
  }
  const SuppressionFacts facts{.kind = "slab",
                               .cache = "kmalloc-64",
                               .aliases = {"files_cache", "x"},
                               .size_bytes = 64,
                               .symbols = {"x_ops", "y_table"},
                               .strings = {"leaky device"},
                               .frames = {"x_probe", "driver_register"}};
  std::set<std::string> names;
  for (const SuppressionRule& rule : *rules) {
    VERIFY(!rule.name.empty() && names.insert(rule.name).second);
    VERIFY(has_condition(rule));
    if (rule.size_bytes && *rule.size_bytes != facts.size_bytes) VERIFY(!matches(rule, facts));
    matches(rule, facts);
  }
  return 0;
}
