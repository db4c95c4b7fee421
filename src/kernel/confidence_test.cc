// SPDX-License-Identifier: Apache-2.0
#include "kernel/confidence.h"

#include <gtest/gtest.h>

namespace orphan::kernel {
namespace {

ConfidenceFacts sure() {
  return {.passes = 2, .seconds = 6};
}

TEST(Confidence, WhatWasSeenLongEnoughWithoutAnyDoubtIsCertain) {
  Judgement judgement = judge(sure());
  EXPECT_EQ(judgement.level, Confidence::Certain);
  EXPECT_EQ(judgement.reason, "unreferenced, unchanged in all 2 passes, 6 s");
}

TEST(Confidence, ShorterItIsLikely) {
  ConfidenceFacts facts = sure();
  facts.seconds = kLongEnough;
  EXPECT_EQ(judge(facts).level, Confidence::Certain);
  facts.seconds = 4.4;
  EXPECT_EQ(judge(facts).level, Confidence::Likely);
  EXPECT_EQ(judge(facts).reason, "unreferenced, unchanged in all 2 passes, 4 s; that is less than 5 s");
}

TEST(Confidence, EachDoubtMakesItLikelyAndIsNamed) {
  const std::pair<bool ConfidenceFacts::*, std::string_view> doubts[] = {
      {&ConfidenceFacts::is_from_first, "; some not from the first pass on"},
      {&ConfidenceFacts::is_settled, "; the last two passes disagree"},
      {&ConfidenceFacts::is_all_seen, "; not all memory was seen"},
      {&ConfidenceFacts::is_searched_weakly, "; weak references were not looked for"},
  };
  for (auto [fact, reason] : doubts) {
    ConfidenceFacts facts = sure();
    facts.*fact = false;
    EXPECT_EQ(judge(facts).level, Confidence::Likely) << reason;
    EXPECT_TRUE(judge(facts).reason.ends_with(reason)) << judge(facts).reason;
  }
}

TEST(Confidence, WhatMayBeADriversPagesIsPossibleWhateverElseHolds) {
  ConfidenceFacts facts = sure();
  facts.may_be_pages = true;
  facts.is_all_seen = false;
  EXPECT_EQ(judge(facts).level, Confidence::Possible);
  EXPECT_NE(judge(facts).reason.find("only a device knows"), std::string::npos);
}

TEST(Confidence, PagesArePossibleWhateverElseHolds) {
  ConfidenceFacts facts = sure();
  facts.are_pages = true;
  EXPECT_EQ(judge(facts).level, Confidence::Possible);
  EXPECT_NE(judge(facts).reason.find("in place of a pointer"), std::string::npos);
}

TEST(Confidence, ABlockIsNoSurerThanTheOneItHangsBelow) {
  EXPECT_EQ(below(judge(sure()), Confidence::Certain).level, Confidence::Certain);
  Judgement judgement = below(judge(sure()), Confidence::Possible);
  EXPECT_EQ(judgement.level, Confidence::Possible);
  EXPECT_TRUE(judgement.reason.ends_with("; below one that is only possible"));
  EXPECT_EQ(below({Confidence::Possible, "a"}, Confidence::Likely).reason, "a");
}

}  // namespace
}  // namespace orphan::kernel
