// SPDX-License-Identifier: Apache-2.0
#include "track/record_table.h"

#include <gtest/gtest.h>

#include <cstring>

namespace orphan::track {
namespace {

constexpr Addr kBlock{0xffff'8880'0123'4000};
constexpr u64 kSite = 0xffff'ffff'8112'3456;

class RecordTableTest : public testing::Test {
 protected:
  std::vector<orphan_bucket> buckets_ = std::vector<orphan_bucket>(256);
  std::vector<orphan_stack> stacks_ = std::vector<orphan_stack>(64);
  RecordTable table_{buckets_, stacks_};
  kernel::Owner kmalloc_{BlockKind::Slab, "kmalloc-64", Addr{}, false, Addr{0xffff'8880'0000'1000}};

  // The place that the block's record has, or else a free one.
  orphan_record& record_of(Addr block) {
    orphan_bucket& bucket = buckets_[orphan_bucket_of(block.value, 255)];
    for (u64 key : {~block.value, u64{0}}) {
      for (orphan_record& record : bucket.places) {
        if (record.key == key) return record;
      }
    }
    bug("the bucket is full");
  }
  orphan_record& put(Addr block, orphan_kind kind, u32 size) {
    orphan_record& record = record_of(block) = {};
    record.key = ~block.value;
    record.site = kSite;
    record.jiffies = 4711;
    record.size = size;
    record.pid = 12;
    record.tgid = 11;
    record.kind = static_cast<u8>(kind);
    std::memcpy(record.comm, "insmod", 6);
    return record;
  }
  void put_stack(orphan_record& record, u32 place, std::vector<u64> frames) {
    orphan_stack& stack = stacks_[place] = {};
    stack.count = static_cast<u32>(frames.size());
    std::ranges::copy(frames, stack.frames);
    stack.hash = orphan_hash_frames(stack.frames, stack.count);
    record.stack = place + 1;
    record.stack_check = static_cast<u32>(stack.hash);
  }
  std::vector<u64> stack_of(Addr block) {
    auto record = table_.of(kmalloc_, block, 64);
    std::vector<u64> frames;
    if (record) {
      for (Addr frame : record->stack) frames.push_back(frame.value);
    }
    return frames;
  }
  bool is_found(BlockKind kind, u64 size_bytes) {
    kernel::Owner owner = kmalloc_;
    owner.kind = kind;
    return table_.of(owner, kBlock, size_bytes).has_value();
  }
};

TEST_F(RecordTableTest, ABlocksRecordIsFoundByItsAddress_AnotherAddressInItsPlaceIsNot) {
  put(kBlock, ORPHAN_KMALLOC, 40);
  auto found = table_.of(kmalloc_, kBlock, 64);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->comm, "insmod");
  EXPECT_EQ(found->pid, 12U);
  EXPECT_EQ(found->jiffies, 4711U);
  EXPECT_FALSE(table_.of(kmalloc_, kBlock + 64, 64));
  orphan_record& record = record_of(kBlock);
  for (u64 key : {~(kBlock + 8).value, u64{0}}) {
    record.key = key;
    EXPECT_FALSE(table_.of(kmalloc_, kBlock, 64));
  }
}

TEST_F(RecordTableTest, ABucketHasSeveralRecords) {
  put(kBlock, ORPHAN_KMALLOC, 40);
  orphan_bucket& bucket = buckets_[orphan_bucket_of(kBlock.value, 255)];
  bucket.places[3] = std::exchange(bucket.places[0], {});
  bucket.places[1].key = ~(kBlock + 8).value;
  EXPECT_TRUE(table_.of(kmalloc_, kBlock, 64));
}

TEST_F(RecordTableTest, ARecordThatDoesNotFitTheBlockIsStale) {
  struct Case {
    orphan_kind kind;
    u32 size;
    BlockKind block;
    u64 block_bytes;
    bool fits;
  };
  for (Case c :
       {Case{ORPHAN_KMALLOC, 64, BlockKind::Slab, 64, true}, Case{ORPHAN_KMALLOC, 65, BlockKind::Slab, 64, false},
        Case{ORPHAN_KMALLOC, 9000, BlockKind::Slab, 16384, false}, Case{ORPHAN_CACHE, 0, BlockKind::Slab, 64, true},
        Case{ORPHAN_CACHE, 0x1000, BlockKind::Slab, 64, true}, Case{ORPHAN_CACHE, 0x2000, BlockKind::Slab, 64, false},
        Case{ORPHAN_VMALLOC, 0, BlockKind::Slab, 64, false}, Case{ORPHAN_KMALLOC, 9000, BlockKind::LargeKmalloc, 16384, true},
        Case{ORPHAN_KMALLOC, 64, BlockKind::LargeKmalloc, 16384, false},
        Case{ORPHAN_PAGES, 16384, BlockKind::LargeKmalloc, 16384, true}, Case{ORPHAN_PAGES, 16384, BlockKind::Pages, 4096, false},
        Case{ORPHAN_VMALLOC, 0, BlockKind::Vmalloc, 8192, true}, Case{ORPHAN_KMALLOC, 64, BlockKind::Vmalloc, 8192, false},
        Case{ORPHAN_PERCPU, 8, BlockKind::PerCpu, 8, true}, Case{ORPHAN_PERCPU, 16, BlockKind::PerCpu, 8, false}}) {
    put(kBlock, c.kind, c.size);
    EXPECT_EQ(is_found(c.block, c.block_bytes), c.fits) << int(c.kind) << " " << c.size << " " << int(c.block);
  }
}

TEST_F(RecordTableTest, TheStackBeginsWithTheCallSite) {
  put_stack(put(kBlock, ORPHAN_KMALLOC, 64), 5, {1, 2, kSite, 3, 4});
  EXPECT_EQ(stack_of(kBlock), (std::vector<u64>{kSite, 3, 4}));
  put_stack(put(kBlock, ORPHAN_KMALLOC, 64), 5, {1, 2, 3});
  EXPECT_EQ(stack_of(kBlock), (std::vector<u64>{1, 2, 3})) << "a stack that does not show it is left as it is";
  put(kBlock, ORPHAN_KMALLOC, 64);
  EXPECT_EQ(stack_of(kBlock), (std::vector<u64>{kSite})) << "where no stack was taken";
}

TEST_F(RecordTableTest, AStackThatWasTornOrWhosePlaceIsAnothersIsNotBelieved) {
  orphan_record& record = put(kBlock, ORPHAN_KMALLOC, 64);
  put_stack(record, 5, {1, kSite, 3});
  stacks_[5].frames[2] = 4;
  EXPECT_EQ(stack_of(kBlock), (std::vector<u64>{kSite}));
  put_stack(record, 5, {1, kSite, 3});
  ++record.stack_check;
  EXPECT_EQ(stack_of(kBlock), (std::vector<u64>{kSite}));
  put_stack(record, 5, {1, kSite, 3});
  stacks_[5].count = ORPHAN_FRAMES + 1;
  EXPECT_EQ(stack_of(kBlock), (std::vector<u64>{kSite}));
  record.stack = 65;
  EXPECT_EQ(stack_of(kBlock), (std::vector<u64>{kSite}));
}

TEST_F(RecordTableTest, ARecordWithoutAStackHasThatOfItsCallSiteIfThereIsOneOnly) {
  Addr second = kBlock + 256, third = kBlock + 512;
  put_stack(put(kBlock, ORPHAN_KMALLOC, 64), 5, {kSite, 3});
  put(second, ORPHAN_KMALLOC, 64);
  table_.learn_sites();
  EXPECT_TRUE(table_.of(kmalloc_, second, 64)->is_stack_inferred);
  EXPECT_FALSE(table_.of(kmalloc_, kBlock, 64)->is_stack_inferred);
  EXPECT_EQ(stack_of(second), (std::vector<u64>{kSite, 3}));
  put_stack(put(third, ORPHAN_KMALLOC, 64), 6, {kSite, 4});
  table_.learn_sites();
  EXPECT_EQ(stack_of(second), (std::vector<u64>{kSite}));
  EXPECT_EQ(stack_of(third), (std::vector<u64>{kSite, 4}));
}

TEST_F(RecordTableTest, WaysToACallSiteAreToldApartByTheirDepth) {
  put_stack(put(kBlock, ORPHAN_KMALLOC, 64), 5, {kSite, 3});
  orphan_record& deeper = put(kBlock + 256, ORPHAN_KMALLOC, 64);
  put_stack(deeper, 6, {kSite, 4});
  deeper.depth = 64;
  put(kBlock + 512, ORPHAN_KMALLOC, 64).depth = 64;
  put(kBlock + 768, ORPHAN_KMALLOC, 64).depth = 128;
  table_.learn_sites();
  EXPECT_EQ(stack_of(kBlock + 512), (std::vector<u64>{kSite, 4}));
  EXPECT_EQ(stack_of(kBlock + 768), (std::vector<u64>{kSite}));
}

TEST_F(RecordTableTest, InAnInterruptTheTaskIsNotBlamed) {
  for (auto [context, name] : {std::pair(ORPHAN_SOFTIRQ, "softirq"), std::pair(ORPHAN_HARDIRQ, "hardirq")}) {
    put(kBlock, ORPHAN_KMALLOC, 64).context = u8(context);
    auto found = table_.of(kmalloc_, kBlock, 64);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->comm, name);
    EXPECT_EQ(found->pid, 0U);
  }
}

TEST_F(RecordTableTest, StacksThatNoRecordHasAreUnused) {
  put_stack(put(kBlock, ORPHAN_KMALLOC, 64), 5, {kSite, 3});
  put_stack(put(kBlock + 256, ORPHAN_KMALLOC, 64), 6, {kSite, 4});
  EXPECT_TRUE(table_.unused_stacks().empty());
  record_of(kBlock) = {};
  EXPECT_EQ(table_.unused_stacks(), (std::vector<u32>{5}));
}

}  // namespace
}  // namespace orphan::track
