// SPDX-License-Identifier: Apache-2.0
#include "kernel/known_blocks.h"

#include <gtest/gtest.h>

#include "detector/checksum.h"
#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

// Notes one allocation.
class OneRecord : public AllocationRecords {
 public:
  OneRecord(Addr block, u64 jiffies) : block_(block), jiffies_(jiffies) {}
  std::optional<AllocationRecord> of(const Owner&, Addr block, u64) const override {
    if (block != block_) return std::nullopt;
    return AllocationRecord{.jiffies = jiffies_, .pid = 0, .comm = {}, .stack = {}};
  }

 private:
  Addr block_;
  u64 jiffies_;
};

class KnownBlocks : public testing::TestWithParam<FakeVersion> {
 protected:
  KnownBlock known(Addr block, u64 size_bytes) {
    FakeScan scan = kernel_.scan();
    Checksummer checksummer(kernel_.memory(), scan.look->snapshot.copy_offsets);
    auto found = scan.look->index->find(block.value);
    const Snapshot& snapshot = scan.look->snapshot;
    auto sum = found ? checksummer.of(snapshot, snapshot.spans[found->span], found->slot) : std::optional<u32>();
    return {.start = block, .size_bytes = size_bytes, .checksum = sum && *sum ? **sum : 0, .is_root = true};
  }

  // What becomes of the blocks in a scan in which `known` are.
  std::vector<Verdict> verdicts(std::span<KnownBlock> known, std::span<const Addr> blocks,
                                const AllocationRecords* records = nullptr) {
    FakeScan scan = kernel_.scan();
    Kernel kernel = kernel_.kernel();
    EXPECT_TRUE(find_known(known, *scan.look, kernel, kernel_.owners(), records));
    auto marked = mark(scan.look->snapshot, *scan.look->index, kernel_.memory(), {});
    EXPECT_TRUE(marked);
    if (marked) scan.marked = std::move(*marked);
    std::vector<Verdict> all;
    for (Addr block : blocks) all.push_back(scan.verdict(block));
    return all;
  }

  FakeKernel kernel_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Versions, KnownBlocks, testing::ValuesIn(kVersions), version_name);

TEST_P(KnownBlocks, AreRoots_SoIsWhatTheyReferTo_OthersStayLeaked) {
  Addr block = kernel_.kmalloc(64), below = kernel_.kmalloc(64), other = kernel_.kmalloc(64);
  kernel_.point(block + 8, below);
  std::array<Addr, 3> all{block, below, other};
  std::array<KnownBlock, 1> list{known(block, 64)};
  EXPECT_EQ(verdicts({}, all), (std::vector{Verdict::Leaked, Verdict::Leaked, Verdict::Leaked}));
  EXPECT_EQ(verdicts(list, all), (std::vector{Verdict::Held, Verdict::Held, Verdict::Leaked}));
  EXPECT_FALSE(list[0].is_gone);
}

TEST_P(KnownBlocks, OneThatIsNotToBeARootIsNone_AndIsThere) {
  Addr block = kernel_.kmalloc(64);
  std::array<KnownBlock, 1> list{known(block, 64)};
  list[0].is_root = false;
  std::array<Addr, 1> all{block};
  EXPECT_EQ(verdicts(list, all), std::vector{Verdict::Leaked});
  EXPECT_FALSE(list[0].is_gone);
}

TEST_P(KnownBlocks, OneWithOtherContentsIsAnotherBlock_AndStaysGone) {
  Addr block = kernel_.kmalloc(64);
  std::array<KnownBlock, 1> list{known(block, 64)};
  kernel_.put_word(block + 16, 1);
  std::array<Addr, 1> all{block};
  EXPECT_EQ(verdicts(list, all), std::vector{Verdict::Leaked});
  EXPECT_TRUE(list[0].is_gone);
  kernel_.put_word(block + 16, 0);
  EXPECT_EQ(verdicts(list, all), std::vector{Verdict::Leaked});
}

TEST_P(KnownBlocks, AFreeOneIsGone_SoIsOneOfAnotherSize_AndOneWithinABlock) {
  Addr freed = kernel_.kmalloc(64), block = kernel_.kmalloc(64), neighbour = kernel_.kmalloc(64);
  kernel_.add_root_to(neighbour);
  std::array<KnownBlock, 3> list{known(freed, 64), known(block, 32), known(block + 8, 64)};
  kernel_.free(freed);
  std::array<Addr, 1> all{block};
  EXPECT_EQ(verdicts(list, all), std::vector{Verdict::Leaked});
  for (const KnownBlock& gone : list) EXPECT_TRUE(gone.is_gone);
}

TEST_P(KnownBlocks, WhenItWasAllocatedCountsForMoreThanItsContents) {
  Addr block = kernel_.kmalloc(64);
  OneRecord record(block, 1000);
  std::array<Addr, 1> all{block};
  std::array<KnownBlock, 1> same{known(block, 64)}, later{known(block, 64)};
  same[0].jiffies = 1000;
  same[0].checksum ^= 1;
  later[0].jiffies = 999;
  EXPECT_EQ(verdicts(same, all, &record), std::vector{Verdict::Held});
  EXPECT_EQ(verdicts(later, all, &record), std::vector{Verdict::Leaked});
}

TEST_P(KnownBlocks, OfAPerCpuBlockTheCopiesOfAllCpusCount) {
  Addr block = kernel_.add_percpu(64);
  std::array<KnownBlock, 1> list{known(block, 64)};
  std::array<Addr, 1> all{block};
  EXPECT_EQ(verdicts(list, all), std::vector{Verdict::Held});
  kernel_.put_word(block + kernel_.cpu_offset(1), 7);
  EXPECT_EQ(verdicts(list, all), std::vector{Verdict::Leaked});
}

}  // namespace
}  // namespace orphan::kernel
