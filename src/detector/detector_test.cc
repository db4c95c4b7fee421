// SPDX-License-Identifier: Apache-2.0
#include "detector/detector.h"

#include <gtest/gtest.h>

namespace orphan {
namespace {

constexpr Addr kBlock{0xffff'8880'0010'0000}, kOther{0xffff'8880'0020'0000};
constexpr Sighting kSighting{.start = kBlock, .size_bytes = 64, .checksum = 7};
constexpr Sighting kOtherSighting{.start = kOther, .size_bytes = 128, .checksum = 8};

u64 scan(Detector& detector, std::initializer_list<Sighting> sightings, i64 now_ns = 0) {
  detector.begin_scan(now_ns);
  for (const Sighting& sighting : sightings) detector.see_unreferenced(sighting);
  return detector.end_scan();
}

std::vector<Addr> listed(const Detector& detector) {
  std::vector<Addr> starts;
  detector.for_each_listed([&](const Object& object) { starts.push_back(object.start); });
  return starts;
}

using Starts = std::vector<Addr>;

TEST(Object, ItsColourFollowsFromHowManyReferencesItNeedsAndHas) {
  struct Case {
    i32 min_count, count;
    Colour colour;
  };
  for (auto [min_count, count, expected] :
       {Case{1, 0, Colour::White}, Case{1, 1, Colour::Grey}, Case{2, 0, Colour::White}, Case{2, 1, Colour::White},
        Case{2, 2, Colour::Grey}, Case{0, 0, Colour::Grey}, Case{-1, 0, Colour::Black}, Case{-1, 5, Colour::Black}})
    EXPECT_EQ(colour({.min_count = min_count, .count = count}), expected) << min_count << ", " << count;
}

TEST(Object, IsListedWhenReportedAndWhiteAndNotCleared) {
  EXPECT_TRUE(is_listed({.is_reported = true}));
  EXPECT_FALSE(is_listed({.is_reported = false}));
  EXPECT_FALSE(is_listed({.count = 1, .is_reported = true}));
  EXPECT_FALSE(is_listed({.min_count = kNeedsNone, .is_reported = true}));
  EXPECT_FALSE(is_listed({.min_count = kIgnored, .is_reported = true}));
  EXPECT_FALSE(is_listed({.is_reported = true, .is_cleared = true}));
}

TEST(MarkerScan, WhatIsSeenUnreferencedIsReportedOnce) {
  Detector detector;
  EXPECT_EQ(scan(detector, {kSighting, kOtherSighting}), 2U);
  EXPECT_EQ(listed(detector), (Starts{kBlock, kOther}));
  EXPECT_EQ(scan(detector, {kOtherSighting, kSighting}), 0U);
  EXPECT_EQ(listed(detector), (Starts{kBlock, kOther})) << "in the order of registration";
  EXPECT_EQ(detector.counts(), (DetectorCounts{.objects = 2, .reported = 2, .listed = 2}));
}

TEST(MarkerScan, WhatIsNotSeenIsReferencedAgain_AndNotNewWhenItComesBack) {
  Detector detector;
  scan(detector, {kSighting, kOtherSighting});
  u64 generation = detector.find(Space::Virtual, kBlock)->generation;
  EXPECT_EQ(scan(detector, {kOtherSighting}), 0U);
  EXPECT_EQ(listed(detector), (Starts{kOther}));
  const Object* object = detector.find(Space::Virtual, kBlock);
  EXPECT_EQ(colour(*object), Colour::Grey);
  EXPECT_TRUE(object->is_reported);
  EXPECT_EQ(object->unreferenced_scans, 0U);
  EXPECT_EQ(detector.find(Space::Virtual, kOther)->unreferenced_scans, 2U);
  EXPECT_EQ(scan(detector, {kSighting, kOtherSighting}), 0U);
  EXPECT_EQ(listed(detector), (Starts{kBlock, kOther}));
  EXPECT_EQ(detector.find(Space::Virtual, kBlock)->generation, generation);
}

TEST(MarkerScan, WhatIsGoneIsForgotten_AndNewWhenTheAddressComesBack) {
  Detector detector;
  scan(detector, {kSighting});
  detector.begin_scan(0);
  detector.see_gone(Space::Virtual, kBlock + 1);
  detector.see_gone(Space::PerCpu, kBlock);
  detector.see_gone(Space::Virtual, kOther);
  EXPECT_EQ(detector.counts().objects, 1U) << "only what starts there, in that space";
  detector.see_gone(Space::Virtual, kBlock);
  EXPECT_EQ(detector.end_scan(), 0U);
  EXPECT_EQ(detector.counts(), DetectorCounts{});
  EXPECT_EQ(scan(detector, {kSighting}), 1U);
}

TEST(MarkerScan, AnAddressThatIsUsedAnewIsAnotherObject) {
  struct Case {
    const char* what;
    Sighting first, second;
    bool is_same;
  };
  Sighting bigger = kSighting, changed = kSighting, born = kSighting, born_later = kSighting, percpu = kSighting;
  bigger.size_bytes = 65;
  changed.checksum = 9;
  born.born = 100;
  born_later.born = 101;
  percpu.space = Space::PerCpu;
  Sighting born_changed = changed;
  born_changed.born = 100;
  for (const auto& [what, first, second, is_same] :
       {Case{"the same", kSighting, kSighting, true}, Case{"another size", kSighting, bigger, false},
        Case{"other contents", kSighting, changed, false}, Case{"the same stamp", born, born, true},
        Case{"other contents, the same stamp", born, born_changed, true}, Case{"another stamp", born, born_later, false},
        Case{"a stamp is known later", kSighting, born, true}, Case{"a stamp is not known later", born, kSighting, true},
        Case{"no stamp to compare, other contents", born, changed, false}}) {
    Detector detector;
    scan(detector, {first}, 10);
    u64 generation = detector.find(Space::Virtual, kBlock)->generation;
    EXPECT_EQ(scan(detector, {second}, 20), is_same ? 0U : 1U) << what;
    const Object* object = detector.find(Space::Virtual, kBlock);
    EXPECT_EQ(object->generation == generation, is_same) << what;
    EXPECT_EQ(object->first_seen, is_same ? 10 : 20) << what;
    EXPECT_EQ(object->created, is_same ? 10 : 20) << what;
    EXPECT_EQ(object->checksum, second.checksum) << what;
    EXPECT_EQ(detector.counts().objects, 1U) << what;
  }
  Detector detector;
  EXPECT_EQ(scan(detector, {kSighting, percpu}), 2U) << "the same address in another space is another place";
}

TEST(MarkerScan, AStampThatWasLearntLaterCounts) {
  Detector detector;
  Sighting born = kSighting, born_later = kSighting;
  born.born = 100;
  born_later.born = 101;
  scan(detector, {kSighting});
  scan(detector, {born});
  EXPECT_EQ(scan(detector, {kSighting}), 0U);
  EXPECT_EQ(scan(detector, {born_later}), 1U);
}

TEST(MarkerScan, WhatOverlapsANewObjectIsForgotten) {
  Detector detector;
  scan(detector, {kSighting, {.start = kBlock + 64, .size_bytes = 64}, {.start = kBlock + 128, .size_bytes = 64}});
  EXPECT_EQ(scan(detector, {{.start = kBlock + 63, .size_bytes = 65}}), 1U);
  EXPECT_EQ(listed(detector), (Starts{kBlock + 63}));
  EXPECT_EQ(detector.counts().objects, 2U) << "what only touches it stays";
  EXPECT_EQ(detector.find(Space::Virtual, kBlock), nullptr);
}

TEST(MarkerScan, AnObjectMayReachToTheEndOfTheAddressSpaceAndNoFurther) {
  Detector detector;
  Sighting last{.start = Addr{~u64{15}}, .size_bytes = 16}, beyond{.start = Addr{~u64{31}}, .size_bytes = 64};
  EXPECT_EQ(scan(detector, {last}), 1U);
  EXPECT_EQ(scan(detector, {beyond}), 1U);
  EXPECT_EQ(scan(detector, {beyond}), 0U);
  EXPECT_EQ(detector.find(Space::Virtual, Addr{~u64{0}})->size_bytes, 32U);
  EXPECT_EQ(detector.find(Space::Virtual, Addr{0}), nullptr);
}

TEST(MarkerScan, ThatIsAbortedReportsNothing) {
  Detector detector;
  scan(detector, {kSighting});
  detector.begin_scan(5);
  detector.see_unreferenced(kOtherSighting);
  detector.abort_scan();
  EXPECT_EQ(listed(detector), (Starts{kBlock})) << "what was listed is, though the scan had not come to it";
  EXPECT_FALSE(detector.find(Space::Virtual, kOther)->is_reported);
  EXPECT_EQ(scan(detector, {kSighting, kOtherSighting}, 6), 1U);
  EXPECT_EQ(detector.find(Space::Virtual, kOther)->first_seen, 5);
}

TEST(Find, AnObjectIsFoundByEachOfItsBytes_AndNotByTheOneBeforeOrBehind) {
  Detector detector;
  scan(detector, {kSighting});
  for (u64 offset : {0U, 1U, 63U}) EXPECT_NE(detector.find(Space::Virtual, kBlock + offset), nullptr) << offset;
  EXPECT_EQ(detector.find(Space::Virtual, kBlock - 1), nullptr);
  EXPECT_EQ(detector.find(Space::Virtual, kBlock + 64), nullptr);
  EXPECT_EQ(detector.find(Space::Physical, kBlock), nullptr);
}

TEST(Clear, WhatIsListedBecomesARoot_WhatWasNeverReportedStaysACandidate) {
  Detector detector;
  scan(detector, {kSighting});
  detector.begin_scan(0);
  detector.see_unreferenced(kOtherSighting);
  detector.abort_scan();
  EXPECT_EQ(detector.clear(), 1U);
  EXPECT_EQ(listed(detector), Starts{});
  EXPECT_EQ(detector.counts(), (DetectorCounts{.objects = 2, .reported = 1, .cleared = 1}));
  EXPECT_EQ(colour(*detector.find(Space::Virtual, kOther)), Colour::White);
  Starts roots;
  detector.for_each_root([&](const Object& object) { roots.push_back(object.start); });
  EXPECT_EQ(roots, (Starts{kBlock}));
  EXPECT_EQ(scan(detector, {kSighting, kOtherSighting}), 1U) << "the cleared one is not new, and not listed";
  EXPECT_EQ(listed(detector), (Starts{kOther}));
}

TEST(Clear, WhatIsReportedAndReferencedAtThatMomentIsNotCleared) {
  Detector detector;
  scan(detector, {kSighting});
  scan(detector, {});
  EXPECT_EQ(detector.clear(), 0U);
  scan(detector, {kSighting});
  EXPECT_EQ(listed(detector), (Starts{kBlock}));
}

TEST(Clear, AnAddressThatIsUsedAnewIsNotCleared) {
  Detector detector;
  scan(detector, {kSighting});
  detector.clear();
  Sighting anew = kSighting;
  anew.size_bytes = 32;
  EXPECT_EQ(scan(detector, {anew}), 1U);
  EXPECT_EQ(detector.counts().cleared, 0U);
}

TEST(Forget, WhatWasClearedIsNewWhenItIsSeenAgain) {
  Detector detector;
  scan(detector, {kSighting, kOtherSighting});
  detector.clear();
  EXPECT_EQ(detector.forget(), 2U);
  EXPECT_EQ(detector.forget(), 0U);
  EXPECT_EQ(detector.counts(), (DetectorCounts{.objects = 2}));
  EXPECT_EQ(scan(detector, {kSighting}), 1U);
  EXPECT_EQ(listed(detector), (Starts{kBlock}));
}

TEST(Forget, WhatWasNotClearedStaysReported) {
  Detector detector;
  scan(detector, {kSighting});
  EXPECT_EQ(detector.forget(), 0U);
  EXPECT_EQ(scan(detector, {kSighting}), 0U);
}

TEST(Restore, WhatWasReportedIsNotNew_WhatWasClearedStaysSo) {
  Detector detector;
  EXPECT_TRUE(detector.restore({.start = kBlock, .size_bytes = 64, .checksum = 7, .first_seen = 1, .is_reported = true}));
  EXPECT_TRUE(detector.restore({.start = kOther, .size_bytes = 128, .checksum = 8, .is_reported = true, .is_cleared = true}));
  EXPECT_EQ(listed(detector), (Starts{kBlock}));
  EXPECT_EQ(scan(detector, {kSighting, kOtherSighting}, 50), 0U);
  EXPECT_EQ(listed(detector), (Starts{kBlock}));
  EXPECT_EQ(detector.find(Space::Virtual, kBlock)->first_seen, 1);
  EXPECT_EQ(detector.forget(), 1U);
  EXPECT_EQ(scan(detector, {kSighting, kOtherSighting}), 1U);
}

TEST(Restore, WhatHasNoPlaceIsRefused) {
  Detector detector;
  ASSERT_TRUE(detector.restore({.start = kBlock, .size_bytes = 64}));
  EXPECT_FALSE(detector.restore({.start = kBlock + 63, .size_bytes = 1}));
  EXPECT_FALSE(detector.restore({.start = kBlock - 1, .size_bytes = 100}));
  EXPECT_FALSE(detector.restore({.start = kOther, .size_bytes = 0}));
  EXPECT_FALSE(detector.restore({.start = kOther, .size_bytes = ~u64{0}}));
  EXPECT_TRUE(detector.restore({.start = kBlock + 64, .size_bytes = 1}));
  EXPECT_TRUE(detector.restore({.space = Space::PerCpu, .start = kBlock, .size_bytes = 64}));
}

}  // namespace
}  // namespace orphan
