// SPDX-License-Identifier: Apache-2.0
// What happens to objects when the detector is told of blocks: every call with the start of a block, another of its bytes, an
// address that nobody knows, and what is no address.
#include <gtest/gtest.h>

#include "detector/detector.h"

namespace orphan {
namespace {

constexpr Addr kBlock{0xffff'8880'0010'0000}, kOther{0xffff'8880'0020'0000}, kArea{0xffff'8880'0030'0000};
constexpr Range kRange{kBlock, 64};
constexpr Addr kFrames[] = {Addr{1}, Addr{2}, Addr{3}};
constexpr Origin kOrigin{.now_ns = 5, .pid = 42, .comm = "insmod", .stack = kFrames};

using Warnings = std::vector<std::string>;
using Ranges = std::vector<Range>;

struct Told {
  Warnings warnings;
  Detector detector{{.warn = [this](std::string text) { warnings.push_back(std::move(text)); }}};

  const Object* find(Addr at, Space space = Space::Virtual) const { return detector.find(space, at); }
  Ranges ranges() const {
    Ranges ranges;
    detector.for_each([&](const Object& object) { ranges.push_back(object.range()); });
    return ranges;
  }
  Warnings take_warnings() { return std::exchange(warnings, {}); }
};

TEST(Alloc, TheObjectIsWhatItsOriginSays_AndNotReported) {
  Told told;
  told.detector.alloc(kRange, 1, {.now_ns = 5, .pid = 42, .comm = "insmod", .stack = kFrames, .born = 9});
  const Object* object = told.find(kBlock);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->range(), kRange);
  EXPECT_EQ(object->min_count, 1);
  EXPECT_EQ(object->count, 0);
  EXPECT_EQ(object->checksum, kNoChecksum);
  EXPECT_EQ(object->created, 5);
  EXPECT_EQ(object->first_seen, std::nullopt);
  EXPECT_EQ(object->pid, 42);
  EXPECT_EQ(object->comm, "insmod");
  EXPECT_EQ(object->stack, std::vector<Addr>(std::begin(kFrames), std::end(kFrames)));
  EXPECT_EQ(object->born, 9U);
  EXPECT_FALSE(object->is_reported);
  EXPECT_EQ(colour(*object), Colour::White);
}

TEST(Alloc, OfTheOriginFifteenBytesOfTheNameAndSixteenFramesAreKept) {
  Told told;
  std::vector<Addr> frames(17, Addr{7});
  told.detector.alloc(kRange, 1, {.comm = "0123456789abcdef", .stack = frames});
  EXPECT_EQ(told.find(kBlock)->comm, "0123456789abcde");
  EXPECT_EQ(told.find(kBlock)->stack.size(), 16U);
}

TEST(Alloc, EachKindHasItsSpaceAndTheReferencesThatItNeeds) {
  Told told;
  told.detector.alloc(kRange, 3, kOrigin);
  told.detector.alloc_percpu(kRange, kOrigin);
  told.detector.alloc_phys(kRange, kOrigin);
  EXPECT_EQ(told.find(kBlock)->min_count, 3);
  EXPECT_EQ(told.find(kBlock, Space::PerCpu)->min_count, 1);
  EXPECT_EQ(told.find(kBlock, Space::Physical)->min_count, 0);
  EXPECT_EQ(told.detector.degradation(), Degradation{}) << "they do not overlap";
}

TEST(Operations, AddressesThatAreNoBlockAreIgnored_PhysicalOnesAreNot) {
  struct Call {
    const char* what;
    void (*tell)(Detector&, Addr);
  };
  constexpr Call kCalls[] = {
      {"alloc", [](Detector& d, Addr at) { d.alloc({at, 8}, 1, kOrigin); }},
      {"alloc_recursive", [](Detector& d, Addr at) { d.alloc_recursive({at, 8}, 1, false, kOrigin); }},
      {"alloc_percpu", [](Detector& d, Addr at) { d.alloc_percpu({at, 8}, kOrigin); }},
      {"vmalloc", [](Detector& d, Addr at) { d.vmalloc(kOther, {at, 8}, kOrigin); }},
      {"transient_leak", [](Detector& d, Addr at) { d.transient_leak(at); }},
      {"scan_area", [](Detector& d, Addr at) { d.scan_area({at, 8}); }},
      {"no_scan", [](Detector& d, Addr at) { d.no_scan(at); }},
  };
  for (const Call& call : kCalls) {
    for (u64 at : {u64{0}, ~u64{0}, 0 - u64{4095}, 0 - u64{22}}) {
      Told told;
      call.tell(told.detector, Addr{at});
      EXPECT_EQ(told.ranges(), Ranges{}) << call.what;
      EXPECT_EQ(told.warnings, Warnings{}) << call.what;
    }
    Told told;
    call.tell(told.detector, Addr{0 - u64{4096}});
    EXPECT_NE(told.ranges().size() + told.warnings.size(), 0U) << call.what << ": the last address that is one";
  }
  Told told;
  for (u64 at : {u64{0}, 0 - u64{4095}}) {
    told.detector.alloc_phys({Addr{at}, 8}, kOrigin);
    EXPECT_NE(told.find(Addr{at}, Space::Physical), nullptr);
    told.detector.ignore_phys(Addr{at});
    EXPECT_EQ(told.find(Addr{at}, Space::Physical)->min_count, kIgnored);
    told.detector.free_part_phys({Addr{at}, 8}, kOrigin);
    EXPECT_EQ(told.find(Addr{at}, Space::Physical), nullptr);
  }
}

TEST(Operations, MemoryOfACacheThatIsNotTracedIsNeitherRegisteredNorFreed) {
  Told told;
  told.detector.alloc_recursive(kRange, 1, true, kOrigin);
  EXPECT_EQ(told.find(kBlock), nullptr);
  told.detector.alloc_recursive(kRange, 1, false, kOrigin);
  EXPECT_NE(told.find(kBlock), nullptr);
  told.detector.free_recursive(kBlock, true);
  EXPECT_NE(told.find(kBlock), nullptr);
  told.detector.free_recursive(kBlock, false);
  EXPECT_EQ(told.find(kBlock), nullptr);
}

TEST(Operations, WhatTakesAStartWarnsOfAnotherByteAndDoesNothing_OfUnknownOnesOnlySomeWarn) {
  struct Call {
    const char* what;
    Space space;
    void (*tell)(Detector&, Addr);
    const char* of_unknown;  // what it says then
    bool (*is_done)(const Object*);
  };
  constexpr auto kIsGone = [](const Object* object) { return object == nullptr; };
  constexpr auto kIsBlack = [](const Object* object) { return colour(*object) == Colour::Black && object->no_scan; };
  constexpr Call kCalls[] = {
      {"free", Space::Virtual, [](Detector& d, Addr at) { d.free(at); }, "", kIsGone},
      {"free_percpu", Space::PerCpu, [](Detector& d, Addr at) { d.free_percpu(at); }, "", kIsGone},
      {"not_leak", Space::Virtual, [](Detector& d, Addr at) { d.not_leak(at); }, "",
       [](const Object* object) { return object->min_count == 0 && !object->no_scan; }},
      {"ignore", Space::Virtual, [](Detector& d, Addr at) { d.ignore(at); }, "", kIsBlack},
      {"ignore_percpu", Space::PerCpu, [](Detector& d, Addr at) { d.ignore_percpu(at); }, "", kIsBlack},
      {"ignore_phys", Space::Physical, [](Detector& d, Addr at) { d.ignore_phys(at); }, "", kIsBlack},
      {"no_scan", Space::Virtual, [](Detector& d, Addr at) { d.no_scan(at); }, "Not scanning unknown object at 0x",
       [](const Object* object) { return object->no_scan && object->min_count == 1; }},
  };
  for (const Call& call : kCalls) {
    Told told;
    told.detector.alloc(kRange, 1, kOrigin);
    told.detector.alloc_percpu(kRange, kOrigin);
    told.detector.alloc_phys(kRange, kOrigin);
    call.tell(told.detector, kBlock + 1);
    EXPECT_FALSE(call.is_done(told.find(kBlock, call.space))) << call.what;
    std::string alias = "Found object by alias at 0xffff888000100001";
    Warnings warnings = told.take_warnings();
    ASSERT_FALSE(warnings.empty()) << call.what;
    EXPECT_EQ(warnings[0], alias) << call.what;
    EXPECT_EQ(warnings.size(), *call.of_unknown == 0 ? 1U : 2U) << call.what;
    for (Addr unknown : {kOther, kBlock + 64, kBlock - 1}) {
      call.tell(told.detector, unknown);
      warnings = told.take_warnings();
      ASSERT_EQ(warnings.size(), *call.of_unknown == 0 ? 0U : 1U) << call.what;
      if (!warnings.empty()) {
        EXPECT_TRUE(warnings[0].starts_with(call.of_unknown)) << warnings[0];
      }
    }
    call.tell(told.detector, kBlock);
    EXPECT_TRUE(call.is_done(told.find(kBlock, call.space))) << call.what;
    EXPECT_EQ(told.warnings, Warnings{}) << call.what;
  }
}

TEST(Ignore, ItsContentsStayUnscanned_AlsoWhenItBecomesARootLater) {
  Told told;
  told.detector.alloc(kRange, 1, kOrigin);
  told.detector.ignore(kBlock);
  told.detector.not_leak(kBlock);
  EXPECT_EQ(colour(*told.find(kBlock)), Colour::Grey);
  EXPECT_TRUE(told.find(kBlock)->no_scan);
}

TEST(Vmalloc, NeedsTwoReferencesAndGetsThoseThatItsAreaHasTooMany) {
  Told told;
  told.detector.alloc({kArea, 64}, 1, kOrigin);
  told.detector.vmalloc(kArea, kRange, kOrigin);
  EXPECT_EQ(told.find(kBlock)->min_count, 2);
  EXPECT_EQ(told.find(kArea)->excess_ref, kBlock);
  EXPECT_EQ(told.warnings, Warnings{});
}

TEST(Vmalloc, WarnsOfAnAreaThatIsNotKnown_AndIsRegisteredAllTheSame) {
  Told told;
  told.detector.vmalloc(kArea, kRange, kOrigin);
  EXPECT_NE(told.find(kBlock), nullptr);
  EXPECT_EQ(told.take_warnings(), (Warnings{"Setting excess_ref on unknown object at 0xffff888000300000"}));
  told.detector.alloc({kArea, 64}, 1, kOrigin);
  told.detector.vmalloc(kArea + 8, {kOther, 64}, kOrigin);
  EXPECT_EQ(told.take_warnings(), (Warnings{"Found object by alias at 0xffff888000300008",
                                            "Setting excess_ref on unknown object at 0xffff888000300008"}));
  EXPECT_EQ(told.find(kArea)->excess_ref, Addr{});
}

TEST(TransientLeak, TheChecksumIsAsThoughItHadNeverBeenComputed) {
  Told told;
  ASSERT_TRUE(told.detector.restore({.start = kBlock, .size_bytes = 64, .checksum = 7}));
  told.detector.transient_leak(kBlock + 8);
  EXPECT_EQ(told.take_warnings(), (Warnings{"Found object by alias at 0xffff888000100008",
                                            "Not resetting the checksum of an unknown object at 0xffff888000100008"}));
  EXPECT_EQ(told.find(kBlock)->checksum, 7U);
  told.detector.transient_leak(kBlock);
  EXPECT_EQ(told.find(kBlock)->checksum, kNoChecksum);
}

TEST(ScanArea, IsAddedWhereTheBlockHasAllOfIt) {
  struct Case {
    u64 offset, size_bytes;
    Ranges added;
    Warnings warnings = {};
  };
  const Case cases[] = {
      {0, 64, {{kBlock, 64}}},
      {8, 16, {{kBlock + 8, 16}}},
      {63, 1, {{kBlock + 63, 1}}},
      {0, 0, {}},
      {0, Operations::kToTheEnd, {{kBlock, 64}}},
      {40, Operations::kToTheEnd, {{kBlock + 40, 24}}},
      {0, 65, {}, {"Scan area larger than object 0xffff888000100000"}},
      {8, 57, {}, {"Scan area larger than object 0xffff888000100008"}},
      {8, Operations::kToTheEnd - 1, {}, {"Scan area larger than object 0xffff888000100008"}},
      {64, 1, {}, {"Adding scan area to unknown object at 0xffff888000100040"}},
      {64, 0, {}},
  };
  for (const Case& c : cases) {
    Told told;
    told.detector.alloc(kRange, 1, kOrigin);
    told.detector.scan_area({kBlock + c.offset, c.size_bytes});
    EXPECT_EQ(told.find(kBlock)->scan_areas, c.added) << c.offset << ", " << c.size_bytes;
    EXPECT_EQ(told.warnings, c.warnings) << c.offset << ", " << c.size_bytes;
  }
}

TEST(UpdateTrace, AnyByteOfTheBlockWillDo_AndNothingButTheStackChanges) {
  Told told;
  told.detector.alloc(kRange, 1, kOrigin);
  constexpr Addr kLater[] = {Addr{9}};
  told.detector.update_trace(kBlock + 63, kLater);
  EXPECT_EQ(told.find(kBlock)->stack, (std::vector<Addr>{Addr{9}}));
  EXPECT_EQ(told.find(kBlock)->created, 5);
  EXPECT_EQ(told.find(kBlock)->comm, "insmod");
  told.detector.update_trace(kBlock + 64, kFrames);
  told.detector.update_trace(Addr{}, kFrames);
  EXPECT_EQ(told.find(kBlock)->stack.size(), 1U);
  EXPECT_EQ(told.warnings, Warnings{});
}

TEST(Erase, TheVariableHoldsNoAddressAnyMore) {
  Addr variable = kBlock;
  Operations::erase(variable);
  EXPECT_EQ(variable, Addr{});
}

// What a block at 64 of 64 bytes, told as root or as part of a heap, and its neighbours become.
struct Cut {
  u64 offset, size_bytes;
  Ranges left;
};
constexpr Addr kBefore = kBlock - 64, kBehind = kBlock + 64;

TEST(FreePart, WhatRemainsOfTheBlockBecomesNewBlocks) {
  const Cut cases[] = {
      {0, 64, {}},      {0, 63, {{kBlock + 63, 1}}}, {1, 63, {{kBlock, 1}}},        {16, 16, {{kBlock, 16}, {kBlock + 32, 32}}},
      {0, 65, {}},      {32, 1000, {{kBlock, 32}}},  {32, ~u64{0}, {{kBlock, 32}}}, {32, 0, {{kBlock, 32}, {kBlock + 32, 32}}},
      {0, 0, {kRange}},
  };
  for (Space space : {Space::Virtual, Space::Physical}) {
    for (const Cut& c : cases) {
      Told told;
      auto alloc = [&](Range range) {
        space == Space::Virtual ? told.detector.alloc(range, 1, kOrigin) : told.detector.alloc_phys(range, kOrigin);
      };
      alloc({kBefore, 64});
      alloc(kRange);
      alloc({kBehind, 64});
      Range part{kBlock + c.offset, c.size_bytes};
      space == Space::Virtual ? told.detector.free_part(part, kOrigin) : told.detector.free_part_phys(part, kOrigin);
      Ranges left{{kBefore, 64}, {kBehind, 64}};
      left.insert(left.end(), c.left.begin(), c.left.end());
      EXPECT_EQ(told.ranges(), left) << c.offset << ", " << c.size_bytes;
      EXPECT_EQ(told.warnings, Warnings{});
    }
  }
}

TEST(FreePart, OfTheOldBlockOnlyTheReferencesThatItNeedsRemain) {
  Told told;
  ASSERT_TRUE(told.detector.restore({.start = kBlock,
                                     .size_bytes = 64,
                                     .min_count = 3,
                                     .count = 2,
                                     .excess_ref = kOther,
                                     .checksum = 7,
                                     .created = 1,
                                     .pid = 1,
                                     .comm = "init",
                                     .scan_areas = {kRange},
                                     .no_scan = true,
                                     .is_reported = true}));
  told.detector.free_part({kBlock, 32}, kOrigin);
  const Object* rest = told.find(kBlock + 32);
  ASSERT_NE(rest, nullptr);
  EXPECT_EQ(rest->min_count, 3);
  EXPECT_EQ(rest->count, 0);
  EXPECT_EQ(rest->excess_ref, Addr{});
  EXPECT_EQ(rest->checksum, kNoChecksum);
  EXPECT_EQ(rest->created, 5);
  EXPECT_EQ(rest->pid, 42);
  EXPECT_EQ(rest->comm, "insmod");
  EXPECT_EQ(rest->stack.size(), 3U);
  EXPECT_TRUE(rest->scan_areas.empty());
  EXPECT_FALSE(rest->no_scan);
  EXPECT_FALSE(rest->is_reported);
}

TEST(FreePart, OfWhatIsNotKnownNothingHappens) {
  Told told;
  told.detector.alloc(kRange, 1, kOrigin);
  told.detector.free_part({kBlock - 1, 64}, kOrigin);
  told.detector.free_part({kBehind, 64}, kOrigin);
  told.detector.free_part({Addr{}, ~u64{0}}, kOrigin);
  EXPECT_EQ(told.ranges(), (Ranges{kRange}));
  EXPECT_EQ(told.warnings, Warnings{});
}

TEST(FreePart, WhatRemainsOfAClearedOneIsForgottenWithIt) {
  Told told;
  ASSERT_TRUE(told.detector.restore({.start = kBlock, .size_bytes = 64, .is_reported = true, .is_cleared = true}));
  told.detector.free_part({kBlock, 32}, kOrigin);
  EXPECT_EQ(told.detector.counts().cleared, 1U);
  EXPECT_EQ(colour(*told.find(kBlock + 32)), Colour::Grey);
  EXPECT_EQ(told.detector.forget(), 1U);
  EXPECT_EQ(colour(*told.find(kBlock + 32)), Colour::White);
}

TEST(Overlap, OfAHeapTheOldBlockIsGone_OfARootOnlyThatPart) {
  struct Case {
    i64 offset;
    u64 size_bytes;
    u64 overlaps;
    Ranges of_root;
  };
  const Case cases[] = {
      {0, 64, 1, {}},
      {0, 8, 1, {{kBlock + 8, 56}}},
      {16, 16, 1, {{kBlock, 16}, {kBlock + 32, 32}}},
      {63, 1, 1, {{kBlock, 63}}},
      {32, 64, 1, {{kBlock, 32}}},
      {-8, 16, 1, {{kBlock + 8, 56}}},
      {-8, 200, 1, {}},
      {64, 8, 0, {kRange}},
      {-8, 8, 0, {kRange}},
  };
  for (const Case& c : cases) {
    for (i32 min_count : {1, 0}) {
      Told told;
      told.detector.alloc(kRange, min_count, kOrigin);
      Range block{kBlock + static_cast<u64>(c.offset), c.size_bytes};
      told.detector.alloc(block, 2, kOrigin);
      Ranges left = c.of_root;
      if (min_count != 0 && c.overlaps != 0) left.clear();
      left.push_back(block);
      EXPECT_EQ(told.ranges(), left) << c.offset << ", " << c.size_bytes;
      EXPECT_EQ(told.find(block.start)->min_count, 2);
      EXPECT_EQ(told.detector.degradation().overlaps, c.overlaps);
      EXPECT_EQ(told.warnings.size(), c.overlaps);
      EXPECT_EQ(to_string(told.detector.degradation()), c.overlaps == 0 ? "" : "1 free missed");
    }
  }
}

TEST(Overlap, OneBlockMayTakeThePlaceOfSeveral_AndOfAClearedOneNothingStays) {
  Told told;
  for (u64 i = 0; i < 4; ++i) told.detector.alloc({kBlock + i * 16, 16}, 1, kOrigin);
  ASSERT_TRUE(told.detector.restore({.start = kBlock + 64, .size_bytes = 64, .is_reported = true, .is_cleared = true}));
  told.detector.alloc({kBlock + 17, 48}, 1, kOrigin);
  EXPECT_EQ(told.ranges(), (Ranges{{kBlock, 16}, {kBlock + 17, 48}}));
  EXPECT_EQ(told.detector.degradation().overlaps, 4U);
  EXPECT_EQ(told.warnings[0], "Object 0xffff888000100010 (size 16) gives way to 0xffff888000100011, which overlaps it");
}

TEST(Alloc, OfNoBytesIsKeptAndNeverFound) {
  Told told;
  told.detector.alloc({kBlock, 0}, 1, kOrigin);
  told.detector.alloc({kBlock, 0}, 1, kOrigin);
  EXPECT_EQ(told.detector.counts().objects, 2U);
  EXPECT_EQ(told.find(kBlock), nullptr);
  told.detector.free(kBlock);
  told.detector.alloc({kBlock - 8, 16}, 1, kOrigin);
  EXPECT_EQ(told.detector.counts().objects, 3U);
  EXPECT_EQ(told.detector.degradation(), Degradation{});
}

TEST(Alloc, ABlockEndsWithTheAddressSpace) {
  Told told;
  Addr at{0 - u64{8192}};
  told.detector.alloc({at, 8193}, 1, kOrigin);
  EXPECT_EQ(told.find(at)->size_bytes, 8192U);
  EXPECT_NE(told.find(Addr{~u64{0}}), nullptr);
  EXPECT_EQ(told.find(Addr{0}), nullptr);
  told.detector.scan_area({at + 8, Operations::kToTheEnd});
  EXPECT_EQ(told.find(at)->scan_areas, (Ranges{{at + 8, 8184}}));
  told.detector.free_part({at, 8}, kOrigin);
  EXPECT_EQ(told.ranges(), (Ranges{{at + 8, 8184}}));
}

TEST(Clear, WhatIsIgnoredAfterwardsStaysIgnoredWhenClearsAreForgotten) {
  Told told;
  ASSERT_TRUE(told.detector.restore({.start = kBlock, .size_bytes = 64, .is_reported = true, .is_cleared = true}));
  told.detector.ignore(kBlock);
  EXPECT_EQ(told.detector.forget(), 0U);
  EXPECT_EQ(colour(*told.find(kBlock)), Colour::Black);
}

TEST(MarkerScan, WhatIsIgnoredOrNoLeakIsNotReported) {
  Told told;
  told.detector.alloc(kRange, 1, kOrigin);
  told.detector.alloc({kOther, 64}, 1, kOrigin);
  told.detector.alloc({kArea, 64}, 1, kOrigin);
  told.detector.not_leak(kBlock);
  told.detector.ignore(kOther);
  told.detector.begin_scan(10);
  for (Addr start : {kBlock, kOther, kArea})
    told.detector.see_unreferenced({.start = start, .size_bytes = 64, .checksum = kNoChecksum});
  EXPECT_EQ(told.detector.end_scan(), 1U);
  EXPECT_TRUE(is_listed(*told.find(kArea)));
  EXPECT_EQ(told.detector.counts().listed, 1U);
}

}  // namespace
}  // namespace orphan
