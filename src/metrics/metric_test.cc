// SPDX-License-Identifier: Apache-2.0
#include "metrics/metric.h"

#include <gtest/gtest.h>

namespace orphan::metrics {
namespace {

using Row = std::pair<std::string, double>;

std::vector<Row> rows(const std::vector<MetricSample>& samples) {
  std::vector<Row> result;
  for (const MetricSample& sample : samples) result.emplace_back(sample.label, sample.value);
  return result;
}

TEST(Metric, TheLargestAreLeft_TheRestIsASum) {
  std::vector<MetricSample> samples{{"a", 1}, {"b", 5}, {"c", 3}, {"d", 2}};
  EXPECT_EQ(rows(largest(samples, 2)), (std::vector<Row>{{"b", 5}, {"c", 3}, {"other", 3}}));
  EXPECT_EQ(rows(largest(samples, 4)), (std::vector<Row>{{"b", 5}, {"c", 3}, {"d", 2}, {"a", 1}}));
  EXPECT_EQ(rows(largest(std::vector<MetricSample>{}, 4)), std::vector<Row>{});
}

TEST(Metric, OneLabelIsOneSample_AlsoWhereOnlyBytesThatCannotBePrintedDiffer) {
  std::vector<MetricSample> samples{{"x\xff", 1}, {"x\n", 2}, {"y", 1}};
  EXPECT_EQ(rows(largest(samples, 5)), (std::vector<Row>{{"x?", 3}, {"y", 1}}));
}

TEST(Metric, WhatIsCalledLikeTheRestIsCountedWithIt) {
  std::vector<MetricSample> samples{{"other", 7}, {"a", 1}, {"b", 2}};
  EXPECT_EQ(rows(largest(samples, 1)), (std::vector<Row>{{"b", 2}, {"other", 8}}));
}

}  // namespace
}  // namespace orphan::metrics
