// SPDX-License-Identifier: Apache-2.0
// The user's rules about what is no leak, applied to the blocks of one scan.
#pragma once
#include <span>

#include "detector/suppression_file.h"
#include "kernel/symbols.h"
#include "report/report.h"

namespace orphan::kernel {

class UserSuppressions {
 public:
  // `rules` and `symbols` must outlive this. A rule whose day of expiry is before `today` (days since 1970-01-01) does not apply.
  UserSuppressions(std::span<const SuppressionRule> rules, i64 today, const Symbols& symbols);

  bool needs_contents() const { return needs_contents_; }
  // Whether a rule takes the block; the first in the file that matches, and has not had its limit of blocks, does. `group` says
  // what is known of all blocks like it.
  bool take(const Leak& group, u64 size_bytes, Bytes contents);

  // Every rule of the file, those that took nothing too; without pages, which no other number has.
  std::vector<Suppression> result() const;
  Tally pages() const { return pages_; }

 private:
  bool is_expired(const SuppressionRule& rule) const { return rule.expires_day && *rule.expires_day < today_; }

  std::span<const SuppressionRule> rules_;
  i64 today_;
  const Symbols& symbols_;
  bool needs_contents_ = false;
  std::vector<Tally> taken_;
  std::vector<u64> taken_pages_;  // blocks of pages, by rule
  Tally pages_;
};

}  // namespace orphan::kernel
