// SPDX-License-Identifier: Apache-2.0
#include "watch/coding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace orphan::watch {
namespace {

constexpr i64 kLow = std::numeric_limits<i64>::min(), kHigh = std::numeric_limits<i64>::max();

TEST(Coding, EveryNumberComesBackAsItWas) {
  const i64 numbers[] = {0, 1, -1, 63, 64, -64, -65, 1 << 20, kLow, kLow + 1, kHigh};
  ByteWriter writer;
  for (i64 number : numbers) writer.zigzag(number), writer.varint(static_cast<u64>(number));
  ByteReader reader(writer.bytes());
  for (i64 number : numbers) {
    EXPECT_EQ(*reader.zigzag(), number);
    EXPECT_EQ(*reader.varint(), static_cast<u64>(number));
  }
  EXPECT_EQ(reader.left(), 0U);
}

TEST(Coding, ANumberThatIsTooLongOrCutIsDamage) {
  for (const std::vector<unsigned>& bytes : std::vector<std::vector<unsigned>>{
           {}, {0x80}, {0xff, 0xff}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}}) {
    std::vector<std::byte> raw;
    for (unsigned byte : bytes) raw.push_back(static_cast<std::byte>(byte));
    EXPECT_FALSE(ByteReader(raw).varint());
  }
}

// Rows in which series come, go, stay, and jump over the whole range.
std::vector<Row> random_rows(u32 seed) {
  std::mt19937 random(seed);
  std::vector<Row> rows;
  Row row;
  for (int i = 0; i < 40; ++i) {
    Row next;
    for (u32 id = 1; id < 60; ++id) {
      auto old = std::ranges::find(row, id, &Cell::id);
      bool was = old != row.end();
      if (random() % 8 == 0 ? was : !was) continue;
      i64 value = was ? old->value : static_cast<i64>(random() % 1000);
      // Beyond the range it begins anew at the other end.
      if (random() % 3 == 0) value = static_cast<i64>(static_cast<u64>(value) + random() % 21 - 10);
      if (random() % 50 == 0) value = random() % 2 == 0 ? kLow : kHigh;
      next.push_back({id, value});
    }
    rows.push_back(row = next);
  }
  return rows;
}

TEST(Coding, FramesGiveTheRowsBack) {
  for (u32 seed = 0; seed < 20; ++seed) {
    Row before, decoded;
    for (const Row& row : random_rows(seed)) {
      auto now = decode_frame(decoded, encode_frame(before, row));
      ASSERT_TRUE(now);
      EXPECT_EQ(*now, row);
      decoded = *now;
      before = row;
    }
  }
}

TEST(Coding, AFrameThatIsCutAtAnyByteIsDamage) {
  std::vector<Row> rows = random_rows(7);
  std::vector<std::byte> frame = encode_frame(rows[0], rows[1]);
  for (std::size_t size = 0; size < frame.size(); ++size) EXPECT_FALSE(decode_frame(rows[0], Bytes(frame).first(size))) << size;
}

TEST(Coding, ASampleLikeTheOneBeforeTakesAFewBytes) {
  Row row;
  for (u32 id = 1; id < 10'000; ++id) row.push_back({id, id * 1000});
  EXPECT_LE(encode_frame(row, row).size(), 6U);
}

TEST(Coding, ColumnsGiveTheRowsBack_AndThoseNotWantedAreSkipped) {
  for (u32 seed = 0; seed < 20; ++seed) {
    std::vector<Row> rows = random_rows(seed);
    std::vector<ColumnEncoder> encoders(60);
    std::vector<Column> wanted(60);
    for (u32 at = 0; at < rows.size(); ++at) {
      for (const Cell& cell : rows[at]) {
        encoders[cell.id].put(at, cell.value);
        wanted[cell.id].at.push_back(at);
        wanted[cell.id].values.push_back(cell.value);
      }
    }
    ByteWriter writer;
    u32 before = 0;
    for (u32 id = 1; id < 60; ++id) {
      if (wanted[id].at.empty()) continue;
      encoders[id].finish(id, before, writer);
      before = id;
    }
    ColumnReader reader(writer.bytes(), static_cast<u32>(rows.size()));
    while (!reader.at_end()) {
      auto id = reader.next();
      ASSERT_TRUE(id);
      if (*id % 3 == 0) continue;
      auto column = reader.read();
      ASSERT_TRUE(column);
      EXPECT_EQ(*column, wanted[*id]);
    }
  }
}

TEST(Coding, AColumnThatClaimsMoreSamplesThanThereAreIsDamage) {
  ColumnEncoder column;
  column.put(9, 1);
  ByteWriter writer;
  column.finish(1, 0, writer);
  ColumnReader enough(writer.bytes(), 10), few(writer.bytes(), 9);
  EXPECT_TRUE(enough.next());
  EXPECT_TRUE(enough.read());
  EXPECT_TRUE(few.next());
  EXPECT_FALSE(few.read());
}

TEST(Coding, StampsComeBack_AndEvenOnesTakeThreeBytes) {
  std::vector<Stamp> stamps;
  for (i64 i = 0; i < 1000; ++i) stamps.push_back({1'700'000'000'000 + i * 300'000, i * 300'000, i * 300'000});
  std::vector<std::byte> bytes = encode_stamps(stamps);
  EXPECT_LE(bytes.size(), 3100U);
  EXPECT_EQ(*decode_stamps(bytes), stamps);
  EXPECT_FALSE(decode_stamps(Bytes(bytes).first(bytes.size() - 1)));
}

TEST(Coding, WhatWasNotCompressedCannotBeDecompressed) {
  std::vector<std::byte> bytes(1000, std::byte{7});
  EXPECT_EQ(*decompress(compress(bytes)), bytes);
  EXPECT_FALSE(decompress(bytes));
  std::vector<std::byte> cut = compress(bytes);
  cut.pop_back();
  EXPECT_FALSE(decompress(cut));
}

}  // namespace
}  // namespace orphan::watch
