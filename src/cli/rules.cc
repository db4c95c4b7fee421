// SPDX-License-Identifier: Apache-2.0
#include "cli/rules.h"

#include <fmt/format.h>

#include "kernel/content_rules.h"
#include "kernel/suppressions.h"
#include "report/format.h"

namespace orphan::cli {

std::string rules_text() {
  std::string text = "SUPPRESSED: blocks that a kernel leaves unreferenced on purpose; reports count them by rule\n";
  for (const kernel::SuppressionText& suppression : kernel::suppressions())
    text += wrapped(fmt::format("  {}: ", suppression.rule), suppression.reason);
  text += "\nNO REFERENCES: words that look like references and keep nothing alive\n";
  for (const kernel::RuleText& rule : kernel::rules()) text += wrapped(fmt::format("  {}: ", rule.where), rule.reason);
  return text + "\nRules of your own: --suppressions FILE, see docs/suppressions.md\n";
}

}  // namespace orphan::cli
