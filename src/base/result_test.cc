// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace orphan {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error(ErrorCode::BadData, "odd");
  return value / 2;
}

Result<std::unique_ptr<int>> quarter(int value) {
  int halved = TRY(half(value));
  return std::make_unique<int>(TRY(half(halved)));
}

Result<void> check(int value) {
  TRY(quarter(value));
  return {};
}

TEST(Try, GivesTheValueOfASuccess) {
  auto result = quarter(12);
  ASSERT_TRUE(result);
  EXPECT_EQ(**result, 3);
}

TEST(Try, ReturnsTheErrorFromTheFunctionItStandsIn) {
  auto result = check(6);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::BadData);
  EXPECT_EQ(result.error().text(), "odd");
}

TEST(Error, ContextIsPutBeforeTheText) {
  EXPECT_EQ(Error(ErrorCode::Io, "disk full").in("report").text(), "report: disk full");
  EXPECT_EQ(Error(ErrorCode::NotMapped).in("task list").text(), "task list");
}

TEST(ResultDeathTest, TakingTheValueOfAnErrorEndsTheProgram) {
  auto result = half(1);
  EXPECT_DEATH((void)*result, "VERIFY");
  auto fine = half(2);
  EXPECT_DEATH((void)fine.error(), "VERIFY");
}

}  // namespace
}  // namespace orphan
