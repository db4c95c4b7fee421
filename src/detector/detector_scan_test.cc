// SPDX-License-Identifier: Apache-2.0
// The scan of a target of which every block is registered: each rule as a pair.
#include <gtest/gtest.h>

#include "detector/checksum.h"
#include "detector/detector.h"
#include "memory/fake_memory.h"

namespace orphan {
namespace {

constexpr i64 kSecond = 1'000'000'000;
constexpr Range kRoot{Addr{0xffff'ffff'8000'0000}, 256};
constexpr Range kHeap{Addr{0xffff'8880'0000'0000}, 1 << 20};
constexpr Addr kA = kHeap.start + 0x1000, kB = kHeap.start + 0x2000, kC = kHeap.start + 0x3000;
constexpr Addr kCookie{0x6000};
constexpr u64 kCopies[] = {0x4000'0000, 0x5000'0000};
constexpr Range kLinear{Addr{0x10'0000}, 0x8'0000};  // physical addresses
constexpr Addr kLinearStart = kHeap.start + 0x8'0000;

struct Scanned {
  FakeMemory memory;
  std::vector<std::string> warnings;
  Detector detector{{.warn = [this](std::string text) { warnings.push_back(std::move(text)); }}};
  i64 now_ns = 100 * kSecond;
  std::vector<Range> roots{kRoot};

  Scanned() {
    memory.map(kRoot);
    memory.map(kHeap);
    for (u64 offset : kCopies) memory.map({kCookie + offset, 4096});
  }
  ScanInput input() const {
    return {.memory = memory,
            .now_ns = now_ns,
            .roots = roots,
            .copy_offsets = kCopies,
            .linear = kLinear,
            .linear_start = kLinearStart};
  }
  void alloc(Addr start, i32 min_count = 1, u64 size_bytes = 64) { detector.alloc({start, size_bytes}, min_count, {}); }
  void point(Addr from, Addr to) { memory.put(from, to.value); }
  u64 scan() {
    auto outcome = detector.scan(input());
    EXPECT_TRUE(outcome && *outcome == ScanOutcome{.reported = outcome->reported});
    return outcome ? outcome->reported : 0;
  }
  // What two scans find: the first one sees all contents for the first time.
  std::vector<Addr> leaks() {
    scan();
    scan();
    std::vector<Addr> starts;
    detector.for_each_listed([&](const Object& object) { starts.push_back(object.start); });
    return starts;
  }
  const Object& at(Addr start, Space space = Space::Virtual) const { return *detector.find(space, start); }
};

using Starts = std::vector<Addr>;

TEST(Scan, WhatNothingRefersToIsALeak_WhatARootRefersToIsNot) {
  for (bool is_referenced : {false, true}) {
    Scanned target;
    target.alloc(kA);
    if (is_referenced) target.point(kRoot.start, kA);
    EXPECT_EQ(target.leaks(), is_referenced ? Starts{} : Starts{kA});
  }
}

TEST(Scan, ItTakesTwoScansToReport_AlsoOfABlockOfZeros) {
  for (u64 word : {0U, 1U}) {
    Scanned target;
    target.alloc(kA);
    target.memory.put(kA, word);
    EXPECT_EQ(target.scan(), 0U) << word;
    EXPECT_EQ(target.scan(), 1U) << word;
    EXPECT_EQ(target.scan(), 0U) << word << ": it is counted once";
    EXPECT_TRUE(is_listed(target.at(kA)));
    EXPECT_EQ(target.at(kA).first_seen, target.now_ns);
    EXPECT_EQ(target.at(kA).unreferenced_scans, 2U);
  }
}

TEST(Scan, AnyByteOfABlockIsAReferenceToIt_TheOneBeforeAndTheOneBehindAreNot) {
  struct Case {
    Addr word;
    bool is_reference;
  };
  for (auto [word, is_reference] :
       {Case{kA, true}, Case{kA + 1, true}, Case{kA + 63, true}, Case{kA + 64, false}, Case{kA - 1, false}}) {
    Scanned target;
    target.alloc(kA);
    target.point(kRoot.start, word);
    EXPECT_EQ(target.leaks().empty(), is_reference) << word.value;
  }
}

TEST(Scan, OnlyWholeAlignedWordsOfARootAreRead) {
  struct Case {
    const char* what;
    Range root;
    u64 offset;
    bool is_reference;
  };
  for (const auto& [what, root, offset, is_reference] :
       {Case{"the last word", {kRoot.start, 16}, 8, true}, Case{"the word behind", {kRoot.start, 16}, 16, false},
        Case{"a part of the last word", {kRoot.start, 15}, 8, false},
        Case{"a part of the first word", {kRoot.start + 1, 31}, 0, false}, Case{"the next one", {kRoot.start + 1, 31}, 8, true},
        Case{"not aligned", {kRoot.start, 32}, 12, false}, Case{"less than a word", {kRoot.start + 1, 3}, 0, false},
        Case{"nothing", {kRoot.start, 0}, 0, false}}) {
    Scanned target;
    target.roots = {root};
    target.alloc(kA);
    target.point(kRoot.start + offset, kA);
    EXPECT_EQ(target.leaks().empty(), is_reference) << what;
  }
}

TEST(Scan, AReferenceLeadsOn_AlsoBeyondAPage) {
  Scanned target;
  target.alloc(kA, 1, 3 * 4096);
  target.alloc(kA + 0x10000);
  target.alloc(kA + 0x20000);
  target.point(kA + 2 * 4096 + 8, kA + 0x10000);
  target.point(kA + 0x10000 + 56, kA + 0x20000);
  EXPECT_EQ(target.leaks().size(), 3U);
  target.point(kRoot.start, kA);
  EXPECT_EQ(target.leaks(), Starts{});
}

TEST(Scan, WhatRefersOnlyToItselfOrInARingIsALeak) {
  Scanned target;
  for (Addr block : {kA, kB, kC}) target.alloc(block);
  target.point(kA, kA);
  target.point(kB, kC);
  target.point(kC, kB);
  EXPECT_EQ(target.leaks(), (Starts{kA, kB, kC}));
  target.point(kRoot.start, kC);
  EXPECT_EQ(target.leaks(), (Starts{kA}));
}

TEST(Scan, AReferenceInsideOfARootToItselfDoesNotCount_ButARootNeedsNone) {
  Scanned target;
  target.alloc(kA, kNeedsNone);
  target.alloc(kB);
  target.point(kA, kB);
  EXPECT_EQ(target.leaks(), Starts{});
  target.memory.put(kA, u64{0});
  EXPECT_EQ(target.leaks(), (Starts{kB}));
}

TEST(Scan, ABlockMayNeedSeveralReferences_AndCountsNoMoreThanThose) {
  for (u64 references : {0U, 1U, 2U, 3U}) {
    Scanned target;
    target.alloc(kA, 2);
    for (u64 i = 0; i < references; ++i) target.point(kRoot.start + 8 * i, kA + 8 * i);
    EXPECT_EQ(target.leaks().empty(), references >= 2) << references;
    EXPECT_EQ(target.at(kA).count, static_cast<i32>(std::min<u64>(references, 2)));
  }
}

TEST(Scan, ReferencesThatABlockDoesNotNeedAreGivenToItsExcessRef) {
  struct Case {
    const char* what;
    u64 references;  // to the vm_struct
    bool points_to_block;
    bool is_leak;
  };
  for (auto [what, references, points_to_block, is_leak] :
       {Case{"only the allocator knows it", 1, true, true}, Case{"an owner has the vm_struct", 2, true, false},
        Case{"the owner's reference alone is one", 2, false, true}, Case{"two owners' are two", 3, false, false}}) {
    Scanned target;
    target.alloc(kA);
    target.detector.vmalloc(kA, {kB, 4096}, {});
    if (points_to_block) target.point(kA + 8, kB);
    for (u64 i = 0; i < references; ++i) target.point(kRoot.start + 8 * i, kA);
    EXPECT_EQ(target.leaks(), is_leak ? Starts{kB} : Starts{}) << what;
    EXPECT_EQ(target.warnings.size(), 0U);
  }
}

TEST(Scan, AReferenceOfABlockToItselfIsNotPassedOn) {
  struct Case {
    Addr from;
    bool is_passed_on;
  };
  for (auto [from, is_passed_on] : {Case{kA + 16, false}, Case{kC, true}}) {
    Scanned target;
    target.alloc(kA);
    target.alloc(kC, kNeedsNone);
    target.detector.vmalloc(kA, {kB, 4096}, {});
    target.point(kRoot.start, kA);
    target.point(kA + 8, kB);
    target.point(from, kA);
    EXPECT_EQ(target.leaks(), is_passed_on ? Starts{} : Starts{kB});
  }
}

TEST(Scan, ReferencesArePassedOnOnlyToWhatStartsThere) {
  for (Addr start : {kB, kB - 8}) {
    Scanned target;
    target.alloc(kA);
    target.detector.vmalloc(kA, {kB, 4096}, {});
    target.detector.free(kB);
    target.alloc(start);
    for (u64 i = 0; i < 2; ++i) target.point(kRoot.start + 8 * i, kA);
    EXPECT_EQ(target.leaks(), start == kB ? Starts{} : Starts{start});
    EXPECT_EQ(target.warnings.size(), 0U);
  }
}

TEST(Scan, ReferencesFromAndToAnIgnoredBlockChangeNothing) {
  for (bool is_ignored : {false, true}) {
    Scanned target;
    target.alloc(kA);
    target.alloc(kB);
    target.point(kRoot.start, kA);
    target.point(kA, kB);
    if (is_ignored) target.detector.ignore(kA);
    EXPECT_EQ(target.leaks(), is_ignored ? Starts{kB} : Starts{});
    EXPECT_EQ(target.at(kA).count, is_ignored ? 0 : 1);
  }
}

TEST(Scan, WhatIsIgnoredOrNoLeakIsNotReported) {
  Scanned target;
  for (Addr block : {kA, kB, kC}) target.alloc(block);
  target.detector.ignore(kA);
  target.detector.not_leak(kB);
  EXPECT_EQ(target.leaks(), (Starts{kC}));
}

TEST(Scan, OfABlockWithAreasOnlyTheseAreScanned_OrAllOfItWhereTheyAreNotComplete) {
  struct Case {
    u64 area, area_bytes, pointer;
    bool is_reference;
  };
  for (auto [area, area_bytes, pointer, is_reference] :
       {Case{0, 0, 48, true}, Case{8, 16, 8, true}, Case{8, 16, 16, true}, Case{8, 16, 0, false}, Case{8, 16, 24, false},
        Case{8, 15, 16, false}, Case{5, 16, 0, false}, Case{5, 16, 8, true}}) {
    Scanned target;
    target.alloc(kA, kNeedsNone);
    target.alloc(kB);
    target.point(kA + pointer, kB);
    target.detector.scan_area({kA + area, area_bytes});
    EXPECT_EQ(target.leaks().empty(), is_reference) << area << ", " << area_bytes << ": " << pointer;
  }
  Scanned target;
  ASSERT_TRUE(target.detector.restore(
      {.start = kA, .size_bytes = 64, .min_count = kNeedsNone, .scan_areas = {{kA, 8}}, .full_scan = true}));
  target.alloc(kB);
  target.point(kA + 48, kB);
  EXPECT_EQ(target.leaks(), Starts{});
}

TEST(Scan, ContentsThatAreNotScannedHoldNoReferences_ButTheBlockMayBeALeak) {
  for (bool is_scanned : {true, false}) {
    Scanned target;
    for (Addr block : {kA, kB, kC}) target.alloc(block);
    target.point(kRoot.start, kA);
    target.point(kA, kB);
    if (!is_scanned) {
      target.detector.no_scan(kA);
      target.detector.no_scan(kC);
    }
    EXPECT_EQ(target.leaks(), is_scanned ? Starts{kC} : (Starts{kB, kC}));
  }
}

TEST(Scan, WhatHasChangedIsSpared_WithAllThatItRefersTo) {
  Scanned target;
  for (Addr block : {kA, kB}) target.alloc(block);
  target.point(kA, kB);
  EXPECT_EQ(target.leaks(), (Starts{kA, kB}));
  target.memory.put(kA + 8, u64{1});
  EXPECT_EQ(target.scan(), 0U);
  EXPECT_EQ(colour(target.at(kA)), Colour::Grey);
  EXPECT_EQ(colour(target.at(kB)), Colour::Grey);
  EXPECT_EQ(target.at(kA).unreferenced_scans, 0U);
  EXPECT_EQ(target.scan(), 0U) << "they come back, and are not new";
  EXPECT_EQ(target.detector.counts().listed, 2U);
}

TEST(Scan, WhatARunOfChangesKeepsInUseIsNeverReported) {
  Scanned target;
  target.alloc(kA);
  for (u64 i = 0; i < 5; ++i) {
    target.memory.put(kA, i);
    EXPECT_EQ(target.scan(), 0U);
  }
  EXPECT_EQ(target.scan(), 1U);
}

TEST(Scan, WhatIsDroppedUnchangedSinceItWasLastUnreferencedNeedsOneScan_ChangedOneMore) {
  for (bool has_changed : {false, true}) {
    Scanned target;
    target.alloc(kA);
    target.scan();
    target.point(kRoot.start, kA);
    target.scan();
    if (has_changed) target.memory.put(kA, u64{1});
    target.memory.put(kRoot.start, u64{0});
    EXPECT_EQ(target.scan(), has_changed ? 0U : 1U);
    EXPECT_EQ(target.scan(), has_changed ? 1U : 0U);
  }
}

TEST(Scan, ATransientLeakIsSparedOnce) {
  for (bool is_transient : {false, true}) {
    Scanned target;
    target.alloc(kA);
    target.scan();
    if (is_transient) target.detector.transient_leak(kA);
    EXPECT_EQ(target.scan(), is_transient ? 0U : 1U);
    EXPECT_EQ(target.scan(), is_transient ? 1U : 0U);
  }
}

TEST(Scan, ALeakIsAtLeastAsOldAsAsked_AtTheStartOfTheScan) {
  struct Case {
    i64 age_ns;
    bool is_old_enough;
  };
  for (auto [age_ns, is_old_enough] :
       {Case{5 * kSecond, true}, Case{5 * kSecond - 1, false}, Case{5 * kSecond + 1, true}, Case{0, false}}) {
    Scanned target;
    target.detector.alloc({kA, 64}, 1, {.now_ns = target.now_ns - age_ns});
    EXPECT_EQ(target.leaks().empty(), !is_old_enough) << age_ns;
    EXPECT_EQ(target.at(kA).first_seen.has_value(), is_old_enough);
    target.now_ns += 5 * kSecond - age_ns;
    EXPECT_EQ(target.scan(), is_old_enough ? 0U : 1U) << age_ns;
  }
  Scanned target;
  target.detector.alloc({kA, 64}, 1, {.now_ns = target.now_ns});
  target.detector.set_min_age(0);
  EXPECT_EQ(target.leaks(), (Starts{kA}));
}

TEST(Scan, AWordMayReferToABlockAndToAPerCpuAreaAtOnce) {
  Scanned target;
  target.memory.map({kCookie, 4096});
  target.alloc(kCookie);
  target.detector.alloc_percpu({kCookie, 64}, {});
  EXPECT_EQ(target.leaks().size(), 2U);
  target.point(kRoot.start, kCookie + 8);
  EXPECT_EQ(target.leaks(), Starts{});
}

TEST(Scan, EveryCopyOfAPerCpuAreaIsScanned) {
  for (u64 offset : kCopies) {
    Scanned target;
    target.detector.alloc_percpu({kCookie, 64}, {});
    target.alloc(kA);
    target.point(kRoot.start, kCookie);
    target.point(kCookie + offset + 56, kA);
    EXPECT_EQ(target.leaks(), Starts{});
    target.memory.put(kCookie + offset + 56, u64{0});
    EXPECT_EQ(target.leaks(), (Starts{kA}));
  }
}

TEST(Scan, TheChecksumOfAPerCpuAreaIsThatOfAllCopiesOneAfterTheOther) {
  Scanned target;
  target.detector.alloc_percpu({kCookie, 64}, {});
  for (u64 offset : kCopies) target.memory.put(kCookie + offset, u64{3});
  target.scan();
  std::array<u64, 16> contents{};
  contents[0] = contents[8] = 3;
  EXPECT_EQ(target.at(kCookie, Space::PerCpu).checksum, kernel_crc32(0, std::as_bytes(std::span(contents))));
  for (u64 offset : kCopies) {
    target.memory.put(kCookie + offset + 8, u64{1});
    EXPECT_EQ(target.scan(), 0U) << "a change of any copy spares it";
  }
  EXPECT_EQ(target.scan(), 1U);
}

TEST(Scan, APhysicalBlockIsScannedWhereTheLinearMapHasIt) {
  for (bool is_known : {false, true}) {
    Scanned target;
    if (is_known) target.detector.alloc_phys({kLinear.start + 0x100, 64}, {});
    target.alloc(kA);
    target.point(kLinearStart + 0x100 + 8, kA);
    EXPECT_EQ(target.leaks(), is_known ? Starts{} : Starts{kA});
  }
}

TEST(Scan, APhysicalBlockOutsideOfTheLinearMapIsIgnoredFromThenOn) {
  struct Case {
    Range range;
    bool is_ignored;
  };
  for (auto [range, is_ignored] :
       {Case{{kLinear.start, kLinear.size_bytes}, false}, Case{{kLinear.start - 8, 16}, true},
        Case{{kLinear.end() - 8, 8}, false}, Case{{kLinear.end() - 8, 9}, true}, Case{{Addr{0}, 8}, true}}) {
    Scanned target;
    target.detector.alloc_phys(range, {});
    target.scan();
    EXPECT_EQ(colour(target.at(range.start, Space::Physical)) == Colour::Black, is_ignored) << range.start.value;
  }
}

TEST(Scan, AnAddressOfAPhysicalBlockIsNoReference) {
  Scanned target;
  target.detector.alloc_phys({kLinear.start, 64}, {});
  target.point(kRoot.start, kLinear.start);
  target.scan();
  EXPECT_EQ(target.at(kLinear.start, Space::Physical).count, 0);
}

TEST(Scan, ABlockWithoutBytesIsReportedAndRefersToNothing) {
  Scanned target;
  target.alloc(kA, 1, 0);
  target.alloc(kB);
  target.point(kRoot.start, kA);
  target.point(kA, kB);
  EXPECT_EQ(target.leaks(), (Starts{kA, kB}));
}

TEST(Scan, ThatIsInterruptedReportsNothing_WhereverItIs) {
  Scanned counted;
  u64 questions = 0;
  auto prepare = [](Scanned& target) {
    for (Addr block : {kA, kB, kC}) target.alloc(block);
    target.point(kRoot.start, kA);
    target.scan();
  };
  prepare(counted);
  ScanInput asked = counted.input();
  asked.is_interrupted = [&] { return ++questions == 0; };
  ASSERT_EQ(counted.detector.scan(asked)->reported, 2U);
  ASSERT_GT(questions, 5U);
  for (u64 stop = 1; stop <= questions; ++stop) {
    Scanned target;
    prepare(target);
    u64 asked_so_far = 0;
    ScanInput input = target.input();
    input.is_interrupted = [&] { return ++asked_so_far == stop; };
    auto outcome = target.detector.scan(input);
    ASSERT_TRUE(outcome);
    EXPECT_TRUE(outcome->was_interrupted) << stop;
    EXPECT_EQ(outcome->reported, 0U) << stop;
    EXPECT_EQ(target.detector.counts().reported, 0U) << stop;
    EXPECT_EQ(target.scan() + target.scan(), 2U) << stop;
  }
}

TEST(Scan, WhatCannotBeReadIsCounted_AndWhatCannotBeComparedIsSpared) {
  Scanned target;
  target.alloc(kA);
  target.alloc(kB);
  target.roots.push_back({Addr{0x1000}, 8192});
  ASSERT_TRUE(target.detector.scan(target.input()));
  auto outcome = target.detector.scan(target.input());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->unread_bytes, 8192U);
  EXPECT_EQ(outcome->reported, 2U);
  Addr nowhere{0xffff'c900'0000'0000};
  target.alloc(nowhere);
  for (int i = 0; i < 3; ++i) outcome = target.detector.scan(target.input());
  EXPECT_EQ(outcome->unread_objects, 1U);
  EXPECT_EQ(outcome->reported, 0U);
  EXPECT_EQ(colour(target.at(nowhere)), Colour::Grey);
}

TEST(Scan, AReadThatFailsCostsOnlyWhatWasRead_ForEveryRead) {
  auto prepare = [](Scanned& target) {
    target.alloc(kA);
    target.alloc(kB);
    target.point(kRoot.start, kA);
    target.scan();
  };
  Scanned whole;
  prepare(whole);
  u64 before = whole.memory.reads();
  ASSERT_EQ(whole.scan(), 1U);
  u64 reads = whole.memory.reads() - before;
  ASSERT_EQ(reads, 3U) << "the root, one block, the checksum of the other";
  for (u64 n = 1; n <= reads; ++n) {
    Scanned target;
    prepare(target);
    target.memory.fail_read(n);
    auto outcome = target.detector.scan(target.input());
    ASSERT_TRUE(outcome) << n;
    EXPECT_NE(outcome->unread_bytes + outcome->unread_objects, 0U) << n;
  }
}

// Fails with an error that is more than a page which is not there.
struct BrokenMemory : Memory {
  Result<void> read(Addr, std::span<std::byte>) const override { return Error(ErrorCode::Io, "broken"); }
};

TEST(Scan, AnErrorOfTheMemoryEndsIt_AndNothingIsReported) {
  for (bool has_root : {true, false}) {
    Scanned target;
    target.alloc(kA);
    target.scan();
    BrokenMemory broken;
    std::vector<Range> roots;
    if (has_root) roots.push_back(kRoot);
    auto outcome = target.detector.scan({.memory = broken, .now_ns = target.now_ns, .roots = roots});
    ASSERT_FALSE(outcome) << has_root;
    EXPECT_EQ(outcome.error().code(), ErrorCode::Io);
    EXPECT_EQ(target.detector.counts().reported, 0U);
  }
}

TEST(Scan, WhatWasClearedIsARoot_WhatItRefersToIsNoLeak) {
  Scanned target;
  target.alloc(kA);
  EXPECT_EQ(target.leaks(), (Starts{kA}));
  EXPECT_EQ(target.detector.clear(), 1U);
  target.alloc(kB);
  target.point(kA, kB);
  EXPECT_EQ(target.leaks(), Starts{});
  EXPECT_EQ(target.detector.forget(), 1U);
  target.scan();
  target.scan();
  EXPECT_EQ(target.detector.counts(), (DetectorCounts{.objects = 2, .reported = 2, .listed = 2}));
}

}  // namespace
}  // namespace orphan
