// SPDX-License-Identifier: Apache-2.0
#include "detector/attributes.h"

#include <gtest/gtest.h>

#include "detector/detector.h"

namespace orphan {
namespace {

constexpr Addr kFirst{0x10000}, kSecond{0x20000}, kThird{0x30000};
constexpr Addr kFrames[] = {Addr{1}, Addr{2}};  // 16 bytes
constexpr Origin kStack{.stack = kFrames}, kComm{.comm = "insmod"}, kBoth{.comm = "insmod", .stack = kFrames};

struct Bounded {
  explicit Bounded(u64 attribute_bytes)
      : detector(
            {.attribute_bytes = attribute_bytes, .warn = [this](std::string text) { warnings.push_back(std::move(text)); }}) {}
  void alloc(Addr start, const Origin& origin) { detector.alloc({start, 64}, 1, origin); }
  const Object& at(Addr start) const { return *detector.find(Space::Virtual, start); }

  std::vector<std::string> warnings;
  Detector detector;
};

TEST(Attributes, WithinTheirBoundAllAreKept_OneByteLessAndTheLastStackIsNot) {
  Bounded exact(2 * 16 + 2 * 6);
  Bounded less(2 * 16 + 2 * 6 - 1);
  for (Bounded* bounded : {&exact, &less}) {
    bounded->alloc(kFirst, kBoth);
    bounded->alloc(kSecond, kBoth);
  }
  EXPECT_EQ(exact.at(kSecond).stack.size(), 2U);
  EXPECT_EQ(exact.detector.degradation(), Degradation{});
  EXPECT_EQ(exact.detector.attribute_bytes(), 44U);
  EXPECT_EQ(less.at(kFirst).stack.size(), 2U);
  EXPECT_EQ(less.at(kSecond).stack.size(), 0U);
  EXPECT_EQ(less.at(kSecond).comm, "insmod");
  EXPECT_EQ(less.detector.degradation(), (Degradation{.stacks = 1}));
  EXPECT_EQ(less.warnings, (std::vector<std::string>{"No room in 43 bytes for what is known of objects: stacks are dropped"}));
}

TEST(Attributes, WhatIsFreedMakesRoom) {
  Bounded bounded(16 + 6 + 16);
  bounded.alloc(kFirst, kBoth);
  bounded.detector.scan_area({kFirst, 8});
  EXPECT_EQ(bounded.detector.attribute_bytes(), 38U);
  bounded.detector.free(kFirst);
  EXPECT_EQ(bounded.detector.attribute_bytes(), 0U);
  bounded.alloc(kSecond, kBoth);
  EXPECT_EQ(bounded.detector.degradation(), Degradation{});
}

TEST(Attributes, TheStackThatIsReplacedMakesRoomToo) {
  Bounded bounded(16);
  bounded.alloc(kFirst, kStack);
  bounded.detector.update_trace(kFirst, kFrames);
  EXPECT_EQ(bounded.at(kFirst).stack.size(), 2U);
  EXPECT_EQ(bounded.detector.degradation(), Degradation{});
}

TEST(Attributes, ANameTakesTheRoomOfTheOldestStacks_AndOfNoMoreThanItNeeds) {
  Bounded bounded(3 * 16);
  for (Addr start : {kFirst, kSecond, kThird}) bounded.alloc(start, kStack);
  bounded.alloc(Addr{0x40000}, kComm);
  EXPECT_EQ(bounded.at(kFirst).stack.size(), 0U);
  EXPECT_EQ(bounded.at(kSecond).stack.size(), 2U);
  EXPECT_EQ(bounded.at(Addr{0x40000}).comm, "insmod");
  EXPECT_EQ(bounded.detector.degradation(), (Degradation{.stacks = 1}));
  EXPECT_EQ(to_string(bounded.detector.degradation()), "1 stack dropped");
}

TEST(Attributes, AScanAreaTakesTheRoomOfStacksAndThenOfNames) {
  Bounded bounded(16 + 6);
  bounded.alloc(kFirst, kBoth);
  bounded.alloc(kSecond, {});
  bounded.detector.scan_area({kSecond, 8});
  EXPECT_EQ(bounded.at(kFirst).stack.size(), 0U);
  EXPECT_EQ(bounded.at(kFirst).comm, "insmod") << "there is room for it";
  Bounded tight(16);
  tight.alloc(kFirst, kComm);
  tight.alloc(kSecond, {});
  tight.detector.scan_area({kSecond, 8});
  EXPECT_EQ(tight.at(kFirst).comm, "");
  EXPECT_EQ(tight.at(kSecond).scan_areas.size(), 1U);
  EXPECT_EQ(tight.detector.degradation(), (Degradation{.comms = 1}));
  EXPECT_EQ(tight.warnings,
            (std::vector<std::string>{"No room in 16 bytes for what is known of objects: task names are dropped"}));
}

TEST(Attributes, WithoutRoomForItsAreasAnObjectIsScannedAsAWhole) {
  Bounded bounded(2 * 16);
  bounded.alloc(kFirst, {});
  bounded.alloc(kSecond, {});
  for (u64 offset : {0U, 8U, 16U}) bounded.detector.scan_area({kFirst + offset, 8});
  EXPECT_TRUE(bounded.at(kFirst).full_scan);
  EXPECT_TRUE(bounded.at(kFirst).scan_areas.empty());
  EXPECT_EQ(bounded.detector.degradation(), (Degradation{.scan_areas = 3}));
  EXPECT_EQ(bounded.warnings, (std::vector<std::string>{"Cannot allocate a scan area, scanning the full object"}));
  bounded.detector.scan_area({kFirst, 8});
  EXPECT_TRUE(bounded.at(kFirst).scan_areas.empty()) << "also when there is room again";
  bounded.detector.scan_area({kSecond, 8});
  EXPECT_FALSE(bounded.at(kSecond).full_scan);
}

TEST(Attributes, AnOldObjectMayLoseAgainWhatItWasGivenLater) {
  ObjectTable objects;
  Degradation lost;
  WarningSink warn;
  Attributes attributes(objects, lost, warn, 22);
  Object& first = objects.add({.start = kFirst, .size_bytes = 64});
  Object& second = objects.add({.start = kSecond, .size_bytes = 64});
  for (u64 times = 1; times <= 3; ++times) {
    attributes.set_stack(first, kFrames);
    attributes.set_comm(first, "insmod");
    attributes.add_scan_area(second, {kSecond, 8});
    EXPECT_TRUE(first.stack.empty()) << times;
    EXPECT_EQ(first.comm, "insmod") << "there is room for it";
    attributes.set_comm(second, "rmmod");
    EXPECT_EQ(second.comm, "") << "but for no other";
    EXPECT_EQ(lost, (Degradation{.stacks = times, .comms = times}));
    attributes.release(second);
    second.scan_areas.clear();
    attributes.set_comm(first, "");
  }
  for (u64 times = 1; times <= 3; ++times) {
    attributes.set_comm(first, "a long name");
    attributes.add_scan_area(second, {kSecond, 8});
    EXPECT_EQ(first.comm, "") << times;
    EXPECT_EQ(lost.comms, 3 + times);
    attributes.release(second);
    second.scan_areas.clear();
  }
  EXPECT_EQ(attributes.bytes(), 0U);
}

TEST(Attributes, WhatWouldFindNoRoomInAnyCaseTakesNone) {
  Bounded bounded(20);
  bounded.alloc(kFirst, {});
  bounded.detector.scan_area({kFirst, 8});
  bounded.alloc(kSecond, {.comm = "1234"});
  bounded.alloc(kThird, {.comm = "a"});
  bounded.detector.scan_area({kThird, 8});
  EXPECT_EQ(bounded.at(kSecond).comm, "1234") << "without it there would not be room either";
  EXPECT_TRUE(bounded.at(kThird).full_scan);
  EXPECT_EQ(bounded.detector.degradation(), (Degradation{.comms = 1, .scan_areas = 1}));
}

TEST(Attributes, OfEachKindOnlyTheFirstLossIsTold_AllAreCounted) {
  Bounded bounded(0);
  for (u64 i = 1; i <= 5; ++i) bounded.alloc(Addr{i << 16}, kBoth);
  EXPECT_EQ(bounded.detector.degradation(), (Degradation{.stacks = 5, .comms = 5}));
  EXPECT_EQ(bounded.warnings.size(), 2U);
  EXPECT_EQ(to_string(bounded.detector.degradation()), "5 stacks dropped, 5 task names dropped");
  EXPECT_EQ(bounded.detector.counts().objects, 5U);
}

TEST(Attributes, OfARestoredObjectAreBoundedToo) {
  Bounded bounded(6);
  ASSERT_TRUE(bounded.detector.restore({.start = kFirst, .size_bytes = 64, .comm = "insmod", .stack = {Addr{1}}}));
  EXPECT_EQ(bounded.at(kFirst).comm, "insmod");
  EXPECT_TRUE(bounded.at(kFirst).stack.empty());
  EXPECT_EQ(bounded.detector.attribute_bytes(), 6U);
}

}  // namespace
}  // namespace orphan
