// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace orphan {
namespace {

TEST(Load, ReadsAValueAtAnyOffset_ThatItFitsAt) {
  std::array<u8, 9> raw{0xff, 1, 0, 0, 0, 0, 0, 0, 0x80};
  Bytes bytes = std::as_bytes(std::span(raw));
  EXPECT_EQ(load<u64>(bytes, 1), 0x8000'0000'0000'0001U);
  EXPECT_EQ(load<u8>(bytes, 8), 0x80);
}

TEST(Load, GivesNothingWhereTheValueWouldEndPastTheEnd) {
  std::array<u8, 9> raw{};
  Bytes bytes = std::as_bytes(std::span(raw));
  EXPECT_EQ(load<u64>(bytes, 2), std::nullopt);
  EXPECT_EQ(load<u8>(bytes, 9), std::nullopt);
  EXPECT_EQ(load<u64>(bytes, ~u64{0}), std::nullopt);
  EXPECT_EQ(load<u64>(bytes, ~u64{0} - 6), std::nullopt);
  EXPECT_EQ(load<u8>(Bytes(), 0), std::nullopt);
}

}  // namespace
}  // namespace orphan
