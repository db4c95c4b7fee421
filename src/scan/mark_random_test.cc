// SPDX-License-Identifier: Apache-2.0
// Marking against a slow marker that is obviously right, on random heaps.
#include <gtest/gtest.h>

#include <random>

#include "scan/fake_heap.h"

namespace orphan {
namespace {

constexpr u64 kPage = 4096;

struct EvenWords : ContentFilter {
  void non_owning(const Span&, Addr, Bytes contents, std::pmr::vector<Extent>& skip) const override {
    for (u64 at = 0; at + 8 <= contents.size(); at += 16) skip.push_back({at, 8});
  }
};

// One block as the slow marker sees it.
struct PlainBlock {
  Addr start;
  u64 size_bytes;
  u64 slot;
  u8 flags;
  bool is_exact;
};

class RandomHeap {
 public:
  explicit RandomHeap(u64 seed) : random_(seed) {
    heap.snapshot.filter = &filter_;
    u64 spans = 3 + random_() % 12;
    for (u64 i = 0; i < spans; ++i) add_span(i);
    add_cookies();
    add_forwards();
    for (const PlainBlock& block : blocks) fill(block);
    add_roots();
  }

  FakeHeap heap;
  std::vector<PlainBlock> blocks;

 private:
  void add_span(u64 number) {
    u8 flags = 0;
    for (u8 flag : {span_flag::kNoScan, span_flag::kRoot, span_flag::kFiltered, span_flag::kByPage, span_flag::kForwards}) {
      if (random_() % 5 == 0) flags |= flag;
    }
    bool is_sorted = random_() % 3 == 0;
    Addr start = (is_sorted ? FakeHeap::kVmalloc : FakeHeap::kLinear).start + number * 64 * kPage;
    u64 object = 8 + random_() % 40 * 8, stride = object + random_() % 4 * 8;
    u32 slots = random_() % 4 == 0 ? 1 : static_cast<u32>(1 + random_() % 70);
    u64 first = heap.add_slab(start + (random_() % 4) * 8, slots, stride, object, flags);
    const Span& span = heap.snapshot.spans.back();
    for (u64 slot = first; slot < first + slots; ++slot) {
      if (random_() % 6 == 0) heap.snapshot.live.clear(slot);
      blocks.push_back({heap.snapshot.slot_address(span, slot), object, slot, flags, false});
    }
  }

  void add_cookies() {
    for (u64 copy = 0; copy < 2; ++copy) {
      u64 offset = 0x4000'0000 * (copy + 1);
      heap.snapshot.copy_offsets.push_back(offset);
      heap.memory.map({FakeHeap::kCookies.start + offset, kPage});
    }
    for (u64 i = 0; i < random_() % 4; ++i) {
      Addr cookie = FakeHeap::kCookies.start + i * 64;
      u64 slot = heap.add_block(cookie, 40, span_flag::kReplicated);
      blocks.push_back({cookie, 40, slot, span_flag::kReplicated, true});
    }
  }

  void add_forwards() {
    for (u64 i = 0; i < random_() % 8; ++i) {
      const PlainBlock& from = pick();
      if ((from.flags & span_flag::kForwards) != 0) heap.forward(from.slot, pick().slot);
    }
    std::ranges::sort(heap.snapshot.forwards, {}, &Forward::from);
    for (u64 i = 0; i < random_() % 3; ++i) heap.snapshot.root_blocks.push_back(heap.block(pick().slot));
  }

  const PlainBlock& pick() { return blocks[random_() % blocks.size()]; }

  // A pointer into, just before or just behind some block, or junk.
  u64 some_word() {
    const PlainBlock& block = pick();
    switch (random_() % 8) {
      case 0: return random_();
      case 1: return random_() % 256;
      case 2: return (block.start + block.size_bytes).value;
      case 3: return block.start.value - 1;
      case 4: return (block.start + random_() % block.size_bytes).value;
      default: return block.start.value;
    }
  }

  // Few pointers: else everything is reached.
  void fill(const PlainBlock& block) {
    bool is_replicated = (block.flags & span_flag::kReplicated) != 0;
    for (u64 at = 0; at + 8 <= block.size_bytes; at += 8) {
      if (random_() % (block.size_bytes / 4) != 0) continue;
      u64 copy = is_replicated ? heap.snapshot.copy_offsets[random_() % 2] : 0;
      heap.memory.put(block.start + copy + at, some_word());
    }
  }

  void add_roots() {
    for (u64 i = 0; i < random_() % 4; ++i) {
      Addr start = FakeHeap::kRoots.start + i * kPage;
      u64 size = random_() % 64;
      for (u64 at = 0; at < size + 8; at += 8) heap.memory.put(start + at, some_word());
      heap.add_root({start + random_() % 8, size});
    }
    for (u64 i = 0; i < random_() % 3; ++i) heap.snapshot.root_words.push_back(some_word());
  }

  std::mt19937_64 random_;
  EvenWords filter_;
};

// One list of blocks, asked from the first to the last for every word; recursion in place of bits.
class SlowMarker {
 public:
  explicit SlowMarker(const RandomHeap& random) : heap_(random.heap), blocks_(random.blocks), reached(random.blocks.size()) {}

  void run() {
    for (const PlainBlock& block : blocks_) {
      if ((block.flags & span_flag::kRoot) != 0) reach(block, false);
    }
    for (BlockRef block : heap_.snapshot.root_blocks) reach(blocks_[block.slot], false);
    for (u64 word : heap_.snapshot.root_words) refer(word);
    for (const Root& root : heap_.snapshot.roots) scan(root.range.start, root.range.end(), false);
  }

 private:
  void refer(u64 word) {
    for (const PlainBlock& block : blocks_) {
      u64 size = block.is_exact ? 4 : block.size_bytes;
      if (word >= block.start.value && word < block.start.value + size) reach(block, true);
    }
  }
  void reach(const PlainBlock& block, bool is_passed_on) {
    if (!heap_.snapshot.live.test(block.slot)) return;
    bool was_reached = reached[block.slot];
    reached[block.slot] = true;
    if (is_passed_on && !passed_on_.test(block.slot)) {
      passed_on_.set(block.slot);
      for (const Forward& forward : heap_.snapshot.forwards) {
        if (forward.from == block.slot) reach(blocks_[forward.to.slot], true);
      }
    }
    if (was_reached || (block.flags & span_flag::kNoScan) != 0) return;
    bool skips_even_words = (block.flags & span_flag::kFiltered) != 0;
    std::vector<u64> copies{0};
    if ((block.flags & span_flag::kReplicated) != 0) copies.assign({0x4000'0000, 0x8000'0000});
    for (u64 copy : copies) scan(block.start + copy, block.start + copy + block.size_bytes, skips_even_words);
  }
  void scan(Addr from, Addr to, bool skips_even_words) {
    for (Addr at{align_up(from.value, 8)}; at + 8 <= to; at += 8) {
      if (skips_even_words && (at - from) % 16 == 0) continue;
      auto word = read_value<u64>(heap_.memory, at);
      VERIFY(bool(word));
      refer(*word);
    }
  }

  const FakeHeap& heap_;
  const std::vector<PlainBlock>& blocks_;
  BitVector passed_on_ = bits(heap_.snapshot.live.size());
  static BitVector bits(u64 size) {
    BitVector result;
    result.resize(size);
    return result;
  }

 public:
  std::vector<bool> reached;
};

TEST(MarkRandom, AgreesWithASlowMarkerOnRandomHeaps) {
  u64 all = 0, reached = 0;
  for (u64 seed = 1; seed <= 200; ++seed) {
    RandomHeap random(seed);
    SlowMarker slow(random);
    slow.run();
    MarkResult fast = random.heap.mark();
    for (const PlainBlock& block : random.blocks) {
      ASSERT_EQ(fast.reached.test(block.slot), slow.reached[block.slot])
          << "seed " << seed << ", block " << std::hex << block.start.value << ", flags " << int{block.flags};
    }
    all += random.blocks.size();
    reached += fast.reached.count();
  }
  // Heaps in which all or nothing is reached would show little.
  EXPECT_GT(reached, all / 10);
  EXPECT_LT(reached, all * 9 / 10);
}

}  // namespace
}  // namespace orphan
