// SPDX-License-Identifier: Apache-2.0
#include "kernel/confidence.h"

#include <fmt/format.h>

#include <algorithm>

namespace orphan::kernel {
namespace {

struct Doubt {
  bool ConfidenceFacts::* fact;
  bool value;  // of the fact, with which there is this doubt
  Confidence level;
  std::string_view reason;
};

// The first that holds is the one that is named: it weighs most.
constexpr Doubt kDoubts[] = {
    {&ConfidenceFacts::are_pages, true, Confidence::Possible,
     "a device, or a number in place of a pointer, may be what keeps them"},
    {&ConfidenceFacts::may_be_pages, true, Confidence::Possible, "may be pages of a driver that only a device knows"},
    {&ConfidenceFacts::is_searched_weakly, false, Confidence::Likely, "weak references were not looked for"},
    {&ConfidenceFacts::is_settled, false, Confidence::Likely, "the last two passes disagree"},
    {&ConfidenceFacts::is_all_seen, false, Confidence::Likely, "not all memory was seen"},
    {&ConfidenceFacts::is_from_first, false, Confidence::Likely, "some not from the first pass on"},
};

}  // namespace

Judgement judge(const ConfidenceFacts& facts) {
  Judgement result{Confidence::Certain, {}};
  result.reason = facts.is_from_first
                      ? fmt::format("unreferenced, unchanged in all {} passes, {:.0f} s", facts.passes, facts.seconds)
                      : "unreferenced, unchanged in two passes or more";
  const Doubt* doubt = std::ranges::find_if(kDoubts, [&](const Doubt& d) { return facts.*d.fact == d.value; });
  if (doubt != std::end(kDoubts)) {
    result.level = doubt->level;
    result.reason += fmt::format("; {}", doubt->reason);
  } else if (facts.seconds < kLongEnough) {
    result.level = Confidence::Likely;
    result.reason += fmt::format("; that is less than {:.0f} s", kLongEnough);
  }
  return result;
}

Judgement below(Judgement own, Confidence above) {
  if (above <= own.level) return own;
  return {above, fmt::format("{}; below one that is only {}", own.reason, to_string(above))};
}

}  // namespace orphan::kernel
