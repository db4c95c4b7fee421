// SPDX-License-Identifier: Apache-2.0
#include "detector/confirm.h"

#include <gtest/gtest.h>

#include <array>

#include "memory/fake_memory.h"

namespace orphan {
namespace {

constexpr Addr kSlab{0xffff'8880'0010'0000};
constexpr Addr kArea{0xffff'c900'0000'0000};
constexpr Addr kCookie{0x1000};
constexpr std::array<u64, 3> kCopies{0x4000'0000, 0x5000'0000, u64{0} - 0x10'0000};
constexpr u32 kSlots = 4;

// A slab of 64-byte objects (slots 0 to 3), an area of 1 MiB (4) and a per-CPU block (5). Each pass has a snapshot of its own.
struct Target {
  FakeMemory memory;
  u64 stride_bytes = 64, object_bytes = 56;
  u32 owner = 1;
  u32 slots = kSlots;
  Addr slab = kSlab;
  u8 slab_flags = 0;
  std::vector<u64> unreferenced{1, 2, 4, 5};
  Confirmation confirmation;

  Target() {
    memory.map({kSlab, 4096});
    memory.map({kArea, 1 << 20});
    for (u64 offset : kCopies) memory.map({kCookie + offset, 64});
    for (u64 slot = 0; slot < kSlots; ++slot) memory.put(kSlab + slot * 64, slot + 100);
  }

  Result<void> pass() {
    Snapshot snapshot;
    snapshot.add_alias(kArea + (4 << 20), 64, kCookie);
    snapshot.add_span(slab, slots, snapshot.add_shape(stride_bytes, object_bytes, owner), slab_flags);
    snapshot.add_span(kArea, 1, snapshot.add_shape(1 << 20, 1 << 20, 2), 0);
    snapshot.add_span(kCookie, 1, snapshot.add_shape(64, 64, 3), span_flag::kReplicated);
    snapshot.copy_offsets.assign(kCopies.begin(), kCopies.end());
    BitVector bits;
    bits.resize(snapshot.live.size());
    for (u64 slot : unreferenced) bits.set(slot);
    return confirmation.add_pass(snapshot, bits, memory);
  }

  std::vector<Confirmation::Candidate> candidates() const {
    std::vector<Confirmation::Candidate> found;
    confirmation.for_each([&](const Confirmation::Candidate& candidate) { found.push_back(candidate); });
    return found;
  }
  std::vector<u64> addresses() const {
    std::vector<u64> found;
    for (const auto& candidate : candidates()) found.push_back(candidate.address.value);
    return found;
  }
};

constexpr u64 kSecond = kSlab.value + 64, kThird = kSlab.value + 128;

TEST(Confirmation, WhatIsUnreferencedAndUnchangedInTwoPassesIsConfirmed) {
  Target target;
  for (int pass = 1; pass <= 3; ++pass) {
    ASSERT_TRUE(target.pass());
    std::vector<u64> expected{kSecond, kThird, kArea.value, kCookie.value};
    if (pass == 1) expected.clear();
    EXPECT_EQ(target.addresses(), expected) << pass;
    EXPECT_EQ(target.confirmation.count(), expected.size());
    EXPECT_EQ(target.confirmation.passes(), static_cast<u32>(pass));
  }
}

TEST(Confirmation, ACandidateThatEveryPassSawUnchangedIsFromTheFirst_OthersAreNot) {
  Target target;
  target.unreferenced = {1, 4};
  ASSERT_TRUE(target.pass());
  target.unreferenced = {1, 2, 4};
  ASSERT_TRUE(target.pass());
  target.memory.put(kSlab + 64, u64{7});
  for (int pass = 3; pass <= 5; ++pass) ASSERT_TRUE(target.pass());
  std::vector<bool> from_first;
  for (const auto& candidate : target.candidates()) from_first.push_back(candidate.is_from_first);
  EXPECT_EQ(from_first, (std::vector<bool>{false, false, true})) << "changed, seen later, the area";
}

TEST(Confirmation, ACandidateTellsItsAddressSizeAndOwner) {
  Target target;
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  auto found = target.candidates();
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].size_bytes, 56U);
  EXPECT_EQ(found[0].owner, 1U);
  EXPECT_FALSE(found[0].is_replicated);
  EXPECT_EQ(found[2].size_bytes, u64{1} << 20);
  EXPECT_TRUE(found[3].is_replicated);
  EXPECT_EQ(found[3].owner, 3U);
}

TEST(Confirmation, ABlockThatWasReferencedOnceMustBeUnreferencedThreeTimesFromThenOn) {
  for (int pass_with_reference : {0, 1, 2, 3}) {
    Target target;
    for (int pass = 0; pass < 4; ++pass) {
      target.unreferenced = {1, 2, 4, 5};
      if (pass == pass_with_reference) target.unreferenced = {2, 4, 5};
      ASSERT_TRUE(target.pass());
    }
    std::vector<u64> expected{kThird, kArea.value, kCookie.value};
    if (pass_with_reference == 0) expected.insert(expected.begin(), kSecond);
    EXPECT_EQ(target.addresses(), expected) << pass_with_reference;
  }
}

TEST(Confirmation, ABlockThatIsNewInALaterPassIsConfirmedWhenThreeHaveSeenIt) {
  Target target;
  target.unreferenced = {1};
  ASSERT_TRUE(target.pass());
  target.unreferenced = {0, 1, 2, 4, 5};
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kSecond}));
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kSecond})) << "two may be chance, on a target that moves";
  EXPECT_FALSE(target.confirmation.is_settled()) << "four blocks wait for the third time";
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kSlab.value, kSecond, kThird, kArea.value, kCookie.value}));
}

TEST(Confirmation, ABlockWhoseContentsChangedIsNoCandidate_WhereverTheyChanged) {
  struct Case {
    Addr at;
    std::vector<u64> left;
  };
  const std::vector<u64> all{kSecond, kThird, kArea.value, kCookie.value};
  for (const Case& c :
       {Case{kSlab + 64, {kThird, kArea.value, kCookie.value}}, Case{kSlab + 64 + 48, {kThird, kArea.value, kCookie.value}},
        Case{kSlab + 64 + 56, all},  // the padding behind the object
        Case{kArea + (1 << 20) - 8, {kSecond, kThird, kCookie.value}}, Case{kCookie + kCopies[0], {kSecond, kThird, kArea.value}},
        Case{kCookie + kCopies[1] + 8, {kSecond, kThird, kArea.value}},
        Case{kCookie + kCopies[2] + 56, {kSecond, kThird, kArea.value}}}) {
    Target target;
    ASSERT_TRUE(target.pass());
    target.memory.put(c.at, u64{0x1234});
    ASSERT_TRUE(target.pass());
    EXPECT_EQ(target.addresses(), c.left) << std::hex << c.at.value;
    ASSERT_TRUE(target.pass());
    ASSERT_TRUE(target.pass());
    EXPECT_EQ(target.addresses(), all) << "it stayed as it is from then on";
  }
}

TEST(Confirmation, ASlabThatBecameAnotherDropsItsCandidates) {
  struct Case {
    const char* what;
    void (*change)(Target&);
  };
  for (const Case& c : {Case{"owner", [](Target& t) { t.owner = 9; }}, Case{"stride", [](Target& t) { t.stride_bytes = 72; }},
                        Case{"number of slots",
                             [](Target& t) {
                               t.slots = 3;
                               t.unreferenced = {1, 2, 3, 4};
                             }},
                        Case{"place", [](Target& t) { t.slab = kSlab + 64; }}}) {
    Target target;
    ASSERT_TRUE(target.pass());
    c.change(target);
    ASSERT_TRUE(target.pass());
    EXPECT_EQ(target.addresses(), (std::vector<u64>{kArea.value, kCookie.value})) << c.what;
  }
}

TEST(Confirmation, WhatCannotBeReadIsNoCandidate) {
  Target target;
  target.memory = FakeMemory();
  target.memory.map({kSlab, 128});
  target.memory.map({kCookie + kCopies[0], 64});
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.confirmation.count(), 0U);
}

TEST(Confirmation, WhenTheNthReadFailsOnlyCandidatesAreLost_ForEveryN) {
  Target whole;
  ASSERT_TRUE(whole.pass());
  u64 reads = whole.memory.reads();
  ASSERT_GE(reads, 6U) << "the slab, the area in pieces, each copy";
  for (u64 n = 1; n <= 2 * reads; ++n) {
    Target target;
    target.memory.fail_read(n);
    ASSERT_TRUE(target.pass()) << n;
    ASSERT_TRUE(target.pass()) << n;
    EXPECT_LT(target.confirmation.count(), 4U) << n;
    EXPECT_GE(target.confirmation.count(), 2U) << n;
    for (const auto& candidate : target.candidates()) {
      EXPECT_TRUE(candidate.address == kArea || candidate.address == kCookie || Range(kSlab, 256).contains(candidate.address));
    }
  }
}

TEST(Confirmation, AnErrorOtherThanNotMappedIsGivenBack) {
  struct Broken : Memory {
    Result<void> read(Addr, std::span<std::byte>) const override { return Error(ErrorCode::Io, "disk on fire"); }
  };
  Snapshot snapshot;
  snapshot.add_span(kSlab, 1, snapshot.add_shape(64, 64, 0), 0);
  BitVector bits;
  bits.resize(1);
  bits.set(0);
  Confirmation confirmation;
  auto result = confirmation.add_pass(snapshot, bits, Broken());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text(), "disk on fire");
}

TEST(Confirmation, IsSettledAfterTwoPassesThatSawTheSame_NeverAfterTheFirst) {
  Target target;
  EXPECT_FALSE(target.confirmation.is_settled());
  ASSERT_TRUE(target.pass());
  EXPECT_FALSE(target.confirmation.is_settled());
  ASSERT_TRUE(target.pass());
  EXPECT_TRUE(target.confirmation.is_settled());
}

TEST(Confirmation, ACandidateThatTheSecondPassLostOrSawFirstAsksForAThird_ThatIsEnoughWhereItIsGone) {
  for (const std::vector<u64>& second : {std::vector<u64>{1, 4, 5}, std::vector<u64>{0, 1, 2, 4, 5}}) {
    Target target;
    ASSERT_TRUE(target.pass());
    target.unreferenced = second;
    ASSERT_TRUE(target.pass());
    EXPECT_FALSE(target.confirmation.is_settled());
    target.unreferenced = {1, 2, 4, 5};  // what was fresh is gone; a fresh one does not count any more
    ASSERT_TRUE(target.pass());
    EXPECT_TRUE(target.confirmation.is_settled());
  }
}

TEST(Confirmation, WhatALaterPassConfirmsOrLosesAsksForOneMore) {
  Target target;
  target.unreferenced = {1};
  ASSERT_TRUE(target.pass());
  target.unreferenced = {1, 2};
  for (int pass = 2; pass <= 4; ++pass) {
    ASSERT_TRUE(target.pass());
    EXPECT_FALSE(target.confirmation.is_settled()) << pass << ": new, waiting for a third time, confirmed";
  }
  ASSERT_TRUE(target.pass());
  EXPECT_TRUE(target.confirmation.is_settled());
  target.unreferenced = {1};
  ASSERT_TRUE(target.pass());
  EXPECT_FALSE(target.confirmation.is_settled()) << "one was lost";
}

TEST(Confirmation, WithoutCandidatesItSettlesInTheSecondPass) {
  Target target;
  target.unreferenced = {};
  ASSERT_TRUE(target.pass());
  EXPECT_FALSE(target.confirmation.is_settled()) << "the first pass";
  ASSERT_TRUE(target.pass());
  EXPECT_TRUE(target.confirmation.is_settled());
  EXPECT_TRUE(target.candidates().empty());
}

// --- spans that a pass could not judge: they are roots in its snapshot ---

TEST(Confirmation, ASpanThatAPassCouldNotJudgeKeepsItsCandidates) {
  Target target;
  ASSERT_TRUE(target.pass());
  target.slab_flags = span_flag::kRoot;
  target.unreferenced = {4, 5};
  ASSERT_TRUE(target.pass());
  EXPECT_FALSE(target.confirmation.is_settled()) << "only one pass has judged it";
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kArea.value, kCookie.value}));
  target.slab_flags = 0;
  target.unreferenced = {1, 2, 4, 5};
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kArea.value, kCookie.value})) << "two have judged it";
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kSecond, kThird, kArea.value, kCookie.value}));
  ASSERT_TRUE(target.pass());
  EXPECT_TRUE(target.confirmation.is_settled());
}

TEST(Confirmation, ASpanThatTheFirstPassCouldNotJudgeMayStillGetCandidates) {
  Target target;
  target.slab_flags = span_flag::kRoot;
  target.unreferenced = {4, 5};
  ASSERT_TRUE(target.pass());
  target.slab_flags = 0;
  target.unreferenced = {1, 4, 5};
  ASSERT_TRUE(target.pass());
  EXPECT_FALSE(target.confirmation.is_settled());
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kSecond, kArea.value, kCookie.value}));
}

TEST(Confirmation, CandidatesThatWereKeptSoMustStillBeUnchanged) {
  Target target;
  ASSERT_TRUE(target.pass());
  target.slab_flags = span_flag::kRoot;
  ASSERT_TRUE(target.pass());
  target.memory.put(kSlab + 64, u64{0x1234});
  target.slab_flags = 0;
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kThird, kArea.value, kCookie.value}));
}

TEST(Confirmation, ACandidateTellsWhetherTheLastPassJudgedIt) {
  Target target;
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  target.slab_flags = span_flag::kRoot;
  target.unreferenced = {4, 5};
  ASSERT_TRUE(target.pass());
  auto found = target.candidates();
  ASSERT_EQ(found.size(), 4U);
  for (const auto& candidate : found) EXPECT_EQ(candidate.was_judged, candidate.address >= kArea || candidate.is_replicated);
}

TEST(Confirmation, AnUntrackedSpanHasNoCandidates) {
  Target target;
  target.slab_flags = span_flag::kRoot | span_flag::kNoScan;
  target.unreferenced = {4, 5};
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kArea.value, kCookie.value}));
  EXPECT_TRUE(target.confirmation.is_settled());
}

// --- more candidates than checksums may be kept ---

TEST(Confirmation, WithoutRoomForTheirChecksumsCandidatesAreLookedAtInParts) {
  for (u64 most : {1U, 2U, 3U}) {
    Target target;
    u64 waits = 0;
    target.confirmation.bound(most, [&] { ++waits; });
    ASSERT_TRUE(target.pass());
    EXPECT_EQ(waits, 0U) << "nothing can be confirmed yet";
    ASSERT_TRUE(target.pass());
    EXPECT_EQ(target.addresses(), (std::vector<u64>{kSecond, kThird, kArea.value, kCookie.value})) << most;
    EXPECT_TRUE(target.confirmation.is_settled());
    EXPECT_EQ(waits, (4 + most - 1) / most);
    EXPECT_EQ(target.confirmation.parts(), waits);
  }
}

TEST(Confirmation, WithRoomForAllNothingIsWaitedFor) {
  Target target;
  target.confirmation.bound(4, [] { FAIL(); });
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.confirmation.count(), 4U);
  EXPECT_EQ(target.confirmation.parts(), 0U);
}

TEST(Confirmation, OfThePartsWhatChangesMeanwhileIsNotConfirmed_WhereverItIs) {
  struct Case {
    Addr at;
    std::vector<u64> left;
  };
  for (u64 most : {1U, 2U, 3U}) {
    for (const Case& c :
         {Case{kSlab + 64, {kThird, kArea.value, kCookie.value}}, Case{kSlab + 128, {kSecond, kArea.value, kCookie.value}},
          Case{kArea + 4096, {kSecond, kThird, kCookie.value}}, Case{kCookie + kCopies[1], {kSecond, kThird, kArea.value}}}) {
      Target target;
      u64 value = 0x1234;
      target.confirmation.bound(most, [&] { target.memory.put(c.at, ++value); });
      ASSERT_TRUE(target.pass());
      ASSERT_TRUE(target.pass());
      EXPECT_EQ(target.addresses(), c.left) << most << " " << std::hex << c.at.value;
      EXPECT_FALSE(target.confirmation.is_settled());
    }
  }
}

TEST(Confirmation, OfThePartsWhatWasReferencedInThePassBeforeIsNotConfirmed) {
  Target target;
  target.confirmation.bound(1, {});
  target.unreferenced = {1, 4, 5};
  ASSERT_TRUE(target.pass());
  target.unreferenced = {1, 2, 4, 5};
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kSecond, kArea.value, kCookie.value}));
  EXPECT_FALSE(target.confirmation.is_settled());
}

TEST(Confirmation, OfThePartsWhatCannotBeReadIsNotConfirmed_ForEveryRead) {
  for (u64 n = 1; n <= 40; ++n) {
    Target target;
    target.confirmation.bound(2, {});
    ASSERT_TRUE(target.pass());
    target.memory.fail_read(n);
    ASSERT_TRUE(target.pass()) << n;
    for (const auto& candidate : target.candidates()) {
      EXPECT_TRUE(candidate.address == kArea || candidate.address == kCookie || Range(kSlab, 256).contains(candidate.address));
    }
  }
}

TEST(Confirmation, OfThePartsASpanThatAPassCouldNotJudgeKeepsItsCandidates) {
  Target target;
  target.confirmation.bound(1, {});
  ASSERT_TRUE(target.pass());
  target.slab_flags = span_flag::kRoot;
  target.unreferenced = {4, 5};
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kArea.value, kCookie.value}));
  target.slab_flags = 0;
  target.unreferenced = {1, 2, 4, 5};
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kArea.value, kCookie.value})) << "two have judged it";
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kSecond, kThird, kArea.value, kCookie.value}));
}

// --- what does not count ---

TEST(Confirmation, TheConfirmedAreKnownByTheirSlots) {
  Target target;
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.confirmation.confirmed().count(), 0U);
  ASSERT_TRUE(target.pass());
  const BitVector& bits = target.confirmation.confirmed();
  for (u64 slot = 0; slot < 6; ++slot) EXPECT_EQ(bits.test(slot), slot != 0 && slot != 3) << slot;
}

TEST(Confirmation, WhatIsSparedDoesNotCountInThatPass_TheOthersDo) {
  Target target;
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  auto before = target.candidates();
  BitVector spared;
  spared.resize(6);
  spared.set(1);
  spared.set(3);  // is none
  spared.set(4);
  target.confirmation.spare(spared);
  auto after = target.candidates();
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0].address, before[1].address);
  EXPECT_EQ(after[1].address, before[3].address);
  EXPECT_EQ(target.confirmation.count(), 2U);
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.confirmation.count(), 4U) << "this pass spared nothing";
}

TEST(Confirmation, WhatWaitsForItsThirdTimeAsksForAPass_AlsoWhenItIsSpared) {
  Target target;
  target.unreferenced = {1, 4};
  ASSERT_TRUE(target.pass());
  target.unreferenced = {1, 2, 4};
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  BitVector spared;  // a block that is not confirmed spares itself, too
  spared.resize(6);
  spared.set(2);
  target.confirmation.spare(spared);
  EXPECT_EQ(target.confirmation.count(), 2U);
  EXPECT_FALSE(target.confirmation.is_settled());
  ASSERT_TRUE(target.pass());
  EXPECT_EQ(target.confirmation.count(), 3U);
}

TEST(Confirmation, WhatThePassDidNotJudgeIsNotSpared) {
  Target target;
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  target.slab_flags = span_flag::kRoot;
  ASSERT_TRUE(target.pass());
  BitVector all;
  all.resize(6);
  all.set_range(0, 6);
  target.confirmation.spare(all);
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kSecond, kThird}));
}

TEST(Confirmation, CandidatesCanBeDroppedByWhatTheyAre) {
  Target target;
  ASSERT_TRUE(target.pass());
  ASSERT_TRUE(target.pass());
  target.confirmation.drop_if([](const Confirmation::Candidate& candidate) { return candidate.address == Addr{kSecond}; });
  EXPECT_EQ(target.addresses(), (std::vector<u64>{kThird, kArea.value, kCookie.value}));
}

}  // namespace
}  // namespace orphan
