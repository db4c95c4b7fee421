// SPDX-License-Identifier: Apache-2.0
#include "memory/read_ahead.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "memory/fake_memory.h"
#include "memory/foresight.h"

namespace orphan {
namespace {

constexpr u64 kPage = 4096;
constexpr Addr kStart{0xffff'8880'0000'0000};
constexpr u64 kPages = 512;

// Each page begins with its number and that of the reader.
FakeMemory numbered(u64 reader) {
  FakeMemory memory;
  memory.map({kStart, kPages * kPage});
  for (u64 i = 0; i < kPages; ++i) {
    memory.put(kStart + i * kPage, i);
    memory.put(kStart + i * kPage + 8, reader);
  }
  return memory;
}

Range page(u64 number) {
  return {kStart + number * kPage, kPage};
}

enum Reader : u64 { User = 1, Thread = 2 };

class ReadAheadTest : public testing::Test {
 protected:
  // Who read the page, by read() or by view(); the page has to be the right one.
  Reader reader_of(Range range, bool by_view = false) {
    std::vector<std::byte> bytes(range.size_bytes);
    Bytes got = bytes;
    if (by_view) {
      auto seen = memory_->view(range.start, bytes);
      EXPECT_TRUE(seen);
      got = *seen;
    } else {
      EXPECT_TRUE(memory_->read(range.start, bytes));
    }
    EXPECT_EQ(got.size(), range.size_bytes);
    EXPECT_EQ(load<u64>(got, 0), (range.start - kStart) / kPage);
    return static_cast<Reader>(*load<u64>(got, 8));
  }
  void expect(std::initializer_list<u64> numbers) {
    std::vector<Range> pieces;
    for (u64 number : numbers) pieces.push_back(page(number));
    memory_->expect(pieces);
  }

  FakeMemory user_ = numbered(User), thread_ = numbered(Thread);
  std::unique_ptr<ReadAheadMemory> memory_ = ReadAheadMemory::start(user_, thread_);
};

TEST_F(ReadAheadTest, WhatIsExpectedIsReadByTheThread_OnceAndOnlyInOnePiece) {
  EXPECT_EQ(reader_of(page(3)), User);
  expect({3, 4, 5, 6});
  EXPECT_EQ(reader_of(page(3)), Thread);
  EXPECT_EQ(reader_of(page(3)), User) << "the second time";
  EXPECT_EQ(reader_of({kStart + 4 * kPage, 64}), User) << "another piece";
  EXPECT_EQ(reader_of(page(9)), User) << "not expected";
  EXPECT_EQ(reader_of(page(5), true), Thread) << "4 was passed over";
  EXPECT_EQ(reader_of(page(6)), Thread);
  EXPECT_EQ(memory_->bytes_read(), 4 * kPage);
}

TEST_F(ReadAheadTest, TheLastTwoCallsAreExpected_EarlierOnesAreForgotten) {
  expect({1, 2});
  expect({3, 4});
  EXPECT_EQ(reader_of(page(2)), Thread);
  EXPECT_EQ(reader_of(page(3)), Thread);
  expect({5, 6});
  EXPECT_EQ(reader_of(page(1)), User);
  EXPECT_EQ(reader_of(page(4)), Thread);
  EXPECT_EQ(reader_of(page(5)), Thread);
}

TEST_F(ReadAheadTest, WithoutPiecesNothingIsExpectedAnyMore) {
  expect({1, 2});
  expect({3});
  memory_->expect({});
  for (u64 number : {1U, 2U, 3U}) EXPECT_EQ(reader_of(page(number)), User);
  expect({2});
  EXPECT_EQ(reader_of(page(2)), Thread);
}

TEST_F(ReadAheadTest, WhatTheThreadCannotReadTheUserTries) {
  thread_.fail_read(2);
  expect({1, 3, 5});
  EXPECT_EQ(reader_of(page(1)), Thread);
  EXPECT_EQ(reader_of(page(3)), User);
  EXPECT_EQ(reader_of(page(5)), Thread);
  Range nowhere{kStart - kPage, kPage};
  memory_->expect({&nowhere, 1});
  std::byte byte{};
  EXPECT_EQ(memory_->read(nowhere.start, {&byte, 1}).error().code(), ErrorCode::NotMapped);
}

TEST_F(ReadAheadTest, PiecesSideBySideAreReadAtOnce_OneByOneWhereThatFails) {
  expect({1, 2, 3, 4});
  for (u64 number : {1U, 2U, 3U, 4U}) EXPECT_EQ(reader_of(page(number)), Thread);
  EXPECT_EQ(thread_.reads(), 1U);
  expect({kPages - 2, kPages - 1, kPages});
  EXPECT_EQ(reader_of(page(kPages - 2)), Thread);
  EXPECT_EQ(reader_of(page(kPages - 1)), Thread);
  std::byte byte{};
  EXPECT_FALSE(memory_->read(page(kPages).start, {&byte, 1}));
  EXPECT_EQ(memory_->bytes_read(), 6 * kPage);
}

TEST_F(ReadAheadTest, PiecesBeyondItsForesightAreIgnored) {
  Memory::Foresight most = memory_->foresight();
  std::vector<Range> pieces;
  for (u64 i = 0; i <= most.pieces; ++i) pieces.push_back(page(i));
  memory_->expect(pieces);
  for (u64 i = 0; i < most.pieces; ++i) ASSERT_EQ(reader_of(page(i)), Thread);
  EXPECT_EQ(reader_of(page(most.pieces)), User);
  std::vector<Range> large{{kStart, most.bytes / 2}, {kStart + most.bytes / 2, most.bytes}, page(1)};
  memory_->expect(large);
  EXPECT_EQ(reader_of(large[0]), Thread);
  EXPECT_EQ(reader_of(large[1]), User);
  EXPECT_EQ(reader_of(large[2]), User);
}

// Reads when it is let.
class GatedMemory : public Memory {
 public:
  GatedMemory(const Memory& inner, std::latch& begun, std::latch& gate) : inner_(inner), begun_(begun), gate_(gate) {}
  Result<void> read(Addr at, std::span<std::byte> out) const override {
    begun_.count_down();
    gate_.wait();
    return inner_.read(at, out);
  }

 private:
  const Memory& inner_;
  std::latch& begun_;
  std::latch& gate_;
};

TEST(ReadAhead, WhoAsksForAPieceWaitsForIt_AndEndingWaitsForTheThread) {
  FakeMemory user = numbered(User), thread = numbered(Thread);
  std::latch begun(1), gate(1);
  GatedMemory gated(thread, begun, gate);
  auto memory = ReadAheadMemory::start(user, gated);
  std::vector<Range> pieces{page(1), page(2)};
  memory->expect(pieces);
  begun.wait();
  std::thread opener([&] { gate.count_down(); });
  std::vector<std::byte> bytes(kPage);
  EXPECT_TRUE(memory->read(page(1).start, bytes));
  EXPECT_EQ(load<u64>(bytes, 8), u64{Thread});
  opener.join();
}

// --- for_each_ahead() ---

struct Item {
  Range range;
  u64 number;
};

// What comes of `items` when their ranges are read; whether `reader` was the thread's, for each.
std::vector<u64> readers_of(const Memory& memory, std::span<const Item> items) {
  std::vector<u64> readers;
  std::size_t at = 0;
  auto next = [&] { return at == items.size() ? std::optional<Item>() : std::optional(items[at++]); };
  auto done = for_each_ahead(
      memory, next, [](const Item& item) { return item.range; },
      [&](const Item& item) -> Result<void> {
        EXPECT_EQ(item.number, readers.size()) << "in order";
        std::vector<std::byte> bytes(std::max<u64>(item.range.size_bytes, 16));
        TRY(memory.read(item.range.start, bytes));
        readers.push_back(*load<u64>(bytes, 8));
        return {};
      });
  EXPECT_TRUE(done);
  return readers;
}

std::vector<Item> pages_of(u64 count) {
  std::vector<Item> items;
  for (u64 i = 0; i < count; ++i) items.push_back({page(i), i});
  return items;
}

TEST_F(ReadAheadTest, WorkIsDoneInOrderAndReadByTheThread_AFewItemsAreNotWorthIt) {
  EXPECT_EQ(readers_of(*memory_, pages_of(kPages)), std::vector<u64>(kPages, Thread));
  EXPECT_EQ(readers_of(*memory_, pages_of(3)), std::vector<u64>(3, User));
  EXPECT_TRUE(readers_of(*memory_, {}).empty());
}

TEST_F(ReadAheadTest, ItemsThatReadOtherwiseAndPiecesThatAreTooLargeAreTheUsers) {
  std::vector<Item> items = pages_of(40);
  for (u64 i : {0U, 7U, 8U, 39U}) items[i].range.size_bytes = 0;
  items[20].range.size_bytes = memory_->foresight().bytes * 2;
  std::vector<u64> readers = readers_of(*memory_, items);
  for (u64 i = 0; i < 20; ++i) EXPECT_EQ(readers[i], items[i].range.size_bytes == kPage ? Thread : User) << i;
  EXPECT_EQ(readers[20], User);
  EXPECT_EQ(readers[39], User);
}

TEST_F(ReadAheadTest, AfterwardsNothingIsExpected_AlsoWhenTheWorkFails) {
  std::vector<Item> items = pages_of(100);
  std::size_t at = 0;
  auto next = [&] { return at == items.size() ? std::optional<Item>() : std::optional(items[at++]); };
  auto done = for_each_ahead(
      *memory_, next, [](const Item& item) { return item.range; },
      [&](const Item& item) -> Result<void> {
        if (item.number == 10) return Error(ErrorCode::Interrupted, "enough");
        return {};
      });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::Interrupted);
  for (u64 i = 0; i < at; ++i) ASSERT_EQ(reader_of(page(i)), User);
}

TEST(ForEachAhead, AMemoryWithoutForesightIsToldNothing) {
  struct Plain : FakeMemory {
    void expect(std::span<const Range>) const override { ADD_FAILURE() << "told"; }
  };
  Plain memory;
  memory.map({kStart, kPages * kPage});
  EXPECT_EQ(readers_of(memory, pages_of(100)), std::vector<u64>(100, 0));
}

}  // namespace
}  // namespace orphan
