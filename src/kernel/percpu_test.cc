// SPDX-License-Identifier: Apache-2.0
#include "kernel/percpu.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr Verdict H = Verdict::Held, L = Verdict::Leaked, N = Verdict::NoBlock;

class PerCpuTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  Addr near_ = kernel_.add_percpu(64);               // in the unit that was set up at boot
  Addr reserved_ = kernel_.add_percpu_reserved(64);  // there as well, for modules
  Addr far_ = kernel_.add_percpu_far(64);            // in a chunk of vmalloc memory, its first
  std::array<Addr, 3> areas_{near_, reserved_, far_};

  Result<PerCpu> read() { return read_percpu(kernel_.memory(), kernel_.layouts().percpu, kernel_.globals.percpu); }
  Verdict with_root(u64 word, Addr area) {
    Addr root = kernel_.add_root_to(Addr{word});
    Verdict verdict = kernel_.verdict(area);
    kernel_.put_word(root, 0);
    return verdict;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, PerCpuTest, testing::ValuesIn(kVersions), version_name);

TEST_P(PerCpuTest, AnAreaThatNothingRefersToIsLeaked_OneWhoseCookieIsKeptIsNot) {
  for (Addr area : areas_) {
    EXPECT_EQ(kernel_.verdict(area), L) << std::hex << area.value;
    EXPECT_EQ(with_root(area.value, area), H) << std::hex << area.value;
  }
}

TEST_P(PerCpuTest, ACookieMayCarryFlagsInItsTwoLowestBits) {
  for (Addr area : areas_) {
    for (u64 flags = 1; flags < 4; ++flags) EXPECT_EQ(with_root(area.value + flags, area), H) << std::hex << area.value;
  }
}

TEST_P(PerCpuTest, OfTheFirstUnitACookieMustBeExact_ItIsASmallNumber) {
  for (Addr area : {near_, reserved_}) {
    for (u64 offset : {4U, 8U, 63U}) EXPECT_EQ(with_root(area.value + offset, area), L) << std::hex << area.value;
  }
  EXPECT_EQ(with_root(far_.value + 8, far_), H) << "elsewhere it is an address like others";
  EXPECT_EQ(with_root(far_.value + 64, far_), L);
}

TEST_P(PerCpuTest, TheAddressOfOneCpusCopyHoldsTheArea) {
  for (Addr area : areas_) {
    for (u32 cpu = 0; cpu < FakeKernel::kCpus; ++cpu) {
      u64 copy = area.value + kernel_.cpu_offset(cpu);
      EXPECT_EQ(with_root(copy, area), H) << cpu;
      EXPECT_EQ(with_root(copy + 63, area), H) << cpu;
      EXPECT_EQ(with_root(copy + 64, area), L) << cpu;
    }
  }
}

TEST_P(PerCpuTest, EveryCpusCopyIsScannedWhenTheAreaIsHeld_NoneElse) {
  for (Addr area : areas_) {
    for (u32 cpu = 0; cpu < FakeKernel::kCpus; ++cpu) {
      Addr target = kernel_.kmalloc(64);
      kernel_.point(area + kernel_.cpu_offset(cpu) + 56, target);
      EXPECT_EQ(kernel_.verdict(target), L) << cpu;
      EXPECT_EQ(with_root(area.value, target), H) << cpu;
      kernel_.put_word(area + kernel_.cpu_offset(cpu) + 56, 0);
    }
  }
}

TEST_P(PerCpuTest, AFreedAreaIsNoBlock) {
  Addr map{kernel_.value(kernel_.far_chunk(), "pcpu_chunk", "alloc_map")};
  EXPECT_EQ(kernel_.verdict(far_ + kernel_.cpu_offset(0)), L);
  kernel_.put_word(map, 0);
  EXPECT_EQ(kernel_.verdict(far_ + kernel_.cpu_offset(0)), N);
}

TEST_P(PerCpuTest, AreasSideBySideAreTwo) {
  Addr next = kernel_.add_percpu_far(32);
  ASSERT_EQ(next, far_ + 64);
  kernel_.add_root_to(next);
  FakeScan scan = kernel_.scan();
  EXPECT_EQ(scan.verdict(far_), L);
  EXPECT_EQ(scan.verdict(next), H);
}

TEST_P(PerCpuTest, AStaticVariableOfEveryPossibleCpuIsARoot) {
  for (u32 cpu = 0; cpu < FakeKernel::kCpus; ++cpu) {
    for (u64 offset : {u64{0}, u64{0x180}, FakeKernel::kStaticBytes - 8}) {
      Addr target = kernel_.kmalloc(64);
      Addr variable = kernel_.percpu_variable(offset) + kernel_.cpu_offset(cpu);
      kernel_.point(variable, target);
      EXPECT_EQ(kernel_.verdict(target), H) << cpu << ": " << offset;
      kernel_.put_word(variable, 0);
      EXPECT_EQ(kernel_.verdict(target), L) << cpu << ": " << offset;
    }
  }
}

TEST_P(PerCpuTest, OnlyPossibleCpusCount) {
  auto percpu = read();
  ASSERT_TRUE(percpu);
  EXPECT_EQ(percpu->offsets, (std::vector<u64>{kernel_.cpu_offset(0), kernel_.cpu_offset(1)}));
  kernel_.globals.percpu.possible_mask.reset();
  EXPECT_EQ(read()->offsets.size(), 3U) << "a kernel that does not tell";
}

TEST_P(PerCpuTest, AChunksRecordOfItsMemoryDoesNotHoldItsFirstArea) {
  Addr base{kernel_.value(kernel_.far_chunk(), "pcpu_chunk", "base_addr")};
  ASSERT_EQ(base, far_ + kernel_.cpu_offset(0)) << "it is the address of the first area's copy";
  EXPECT_EQ(kernel_.verdict(far_), L);
  EXPECT_EQ(with_root(base.value, far_), H);
}

TEST_P(PerCpuTest, TheFirstUnitIsOneWindow_WithAllOfItsChunks) {
  auto percpu = read();
  ASSERT_TRUE(percpu);
  EXPECT_EQ(percpu->first_unit, (Range{kernel_.percpu_variable(0), FakeKernel::kUnitBytes}));
  EXPECT_EQ(percpu->static_cookies, (Range{kernel_.percpu_variable(0), FakeKernel::kStaticBytes}));
  ASSERT_EQ(percpu->chunks.size(), 1U);
  EXPECT_EQ(percpu->chunks[0].chunk, kernel_.far_chunk());
  EXPECT_EQ(percpu->unread_chunks, 0U);
}

TEST_P(PerCpuTest, AChunkThatDoesNotAddUpIsAGap_TheOthersAreRead) {
  struct Case {
    const char* path;
    u64 value;
  };
  for (const Case& c : {Case{"nr_pages", 0}, Case{"nr_pages", 0x7fff'ffff}, Case{"start_offset", 0xffff'fff0},
                        Case{"end_offset", 0xffff'fff0}, Case{"alloc_map", 0x1234}, Case{"bound_map", 0xdead'0000'0000'0122}}) {
    u64 was = kernel_.value(kernel_.far_chunk(), "pcpu_chunk", c.path);
    kernel_.put(kernel_.far_chunk(), "pcpu_chunk", c.path, c.value);
    FakeScan scan = kernel_.scan();
    EXPECT_EQ(scan.look->gaps.unread_chunks, 1U) << c.path;
    EXPECT_EQ(scan.verdict(near_), L) << c.path;
    kernel_.put(kernel_.far_chunk(), "pcpu_chunk", c.path, was);
  }
}

TEST_P(PerCpuTest, AChunkOutOfAllKnownMemoryDoesNoHarm) {
  for (u64 base : {u64{0}, u64{0x7000'0000'0000}, ~u64{0xfff}, u64{0xffff'ffff'8000'0000}}) {
    kernel_.put(kernel_.far_chunk(), "pcpu_chunk", "base_addr", base);
    EXPECT_EQ(kernel_.verdict(near_), L) << std::hex << base;
  }
}

TEST_P(PerCpuTest, OffsetsThatMakeNoSenseDoNoHarm) {
  for (u64 offset : {u64{0}, u64{8}, u64{0x1234'5678}, ~u64{0}, u64{0xffff'c900'0000'0000}}) {
    kernel_.put_word(kernel_.globals.percpu.cpu_offsets + 16, offset);
    EXPECT_TRUE(kernel_.try_scan()) << std::hex << offset;
  }
}

TEST_P(PerCpuTest, AbsurdCountsAreErrors) {
  struct Case {
    Addr at;
    u32 value;
  };
  const PerCpuSymbols& symbols = kernel_.globals.percpu;
  for (const Case& c : {Case{symbols.cpu_count, 0}, Case{symbols.cpu_count, 1'000'000}, Case{symbols.slot_count, 0x8000'0000},
                        Case{symbols.slot_count, 65}}) {
    u64 was = kernel_.word(c.at);
    kernel_.ram().put(c.at, c.value);
    auto result = read();
    ASSERT_FALSE(result) << c.value;
    EXPECT_EQ(result.error().code(), ErrorCode::BadData);
    kernel_.put_word(c.at, was);
  }
}

TEST_P(PerCpuTest, AListOfChunksThatRunsInACircleEnds) {
  Addr node = kernel_.member(kernel_.far_chunk(), "pcpu_chunk", "list");
  kernel_.point(node, node);
  auto percpu = read();
  ASSERT_TRUE(percpu);
  EXPECT_EQ(percpu->chunks.size(), 1U);
}

}  // namespace
}  // namespace orphan::kernel
