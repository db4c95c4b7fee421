// SPDX-License-Identifier: Apache-2.0
#include "kernel/user_suppressions.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/evidence.h"

namespace orphan::kernel {
namespace {

constexpr std::size_t kMostEvidence = 1024;  // of one block

SuppressionFacts facts_of(const Leak& group, u64 size_bytes) {
  SuppressionFacts facts{.kind = to_string(group.kind),
                         .cache = group.cache,
                         .aliases = group.aliases,
                         .size_bytes = size_bytes,
                         .symbols = {},
                         .strings = {},
                         .frames = {}};
  for (const Frame& frame : group.stack) facts.frames.push_back(frame.symbol);
  return facts;
}

}  // namespace

UserSuppressions::UserSuppressions(std::span<const SuppressionRule> rules, i64 today, const Symbols& symbols)
    : rules_(rules), today_(today), symbols_(symbols), taken_(rules.size()), taken_pages_(rules.size()) {
  needs_contents_ =
      std::ranges::any_of(rules, [&](const SuppressionRule& rule) { return !is_expired(rule) && orphan::needs_contents(rule); });
}

bool UserSuppressions::take(const Leak& group, u64 size_bytes, Bytes contents) {
  if (rules_.empty()) return false;
  SuppressionFacts facts = facts_of(group, size_bytes);
  if (needs_contents_) {
    EvidenceGatherer gatherer(symbols_);
    gatherer.add(contents);
    for (Evidence& evidence : gatherer.result(kMostEvidence)) {
      (evidence.kind == Evidence::Kind::Symbol ? facts.symbols : facts.strings).push_back(std::move(evidence.text));
    }
  }
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const SuppressionRule& rule = rules_[i];
    bool is_full = rule.limit && taken_[i].count + taken_pages_[i] >= *rule.limit;
    if (is_full || is_expired(rule) || !matches(rule, facts)) continue;
    bool is_pages = group.kind == BlockKind::Pages;
    (is_pages ? pages_ : taken_[i]) += {1, size_bytes};
    taken_pages_[i] += is_pages ? 1 : 0;
    return true;
  }
  return false;
}

std::vector<Suppression> UserSuppressions::result() const {
  std::vector<Suppression> all;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    std::string reason = rules_[i].comment;
    if (is_expired(rules_[i]))
      reason = "expired: it does not apply any more" + (reason.empty() ? "" : "; " + reason);
    else if (taken_[i].count == 0 && taken_pages_[i] != 0)
      reason = fmt::format("it took {} of PAGES", taken_pages_[i]) + (reason.empty() ? "" : "; " + reason);
    else if (taken_[i].count == 0)
      reason = "nothing matched" + (reason.empty() ? "" : "; " + reason);
    all.push_back({rules_[i].name, std::move(reason), taken_[i]});
  }
  return all;
}

}  // namespace orphan::kernel
