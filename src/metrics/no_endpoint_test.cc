// SPDX-License-Identifier: Apache-2.0
// Linked with the library that has no endpoint.
#include <gtest/gtest.h>

#include "metrics/endpoint.h"

namespace orphan::metrics {
namespace {

TEST(NoMetricsEndpoint, ItSaysThatThisProgramHasNone) {
  EXPECT_FALSE(Endpoint::kIsAvailable);
  auto endpoint = Endpoint::open({.port = 9469});
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().code(), ErrorCode::Unsupported);
  EXPECT_EQ(endpoint.error().text(), "--metrics: this program was linked without prometheus-cpp; use the program orphan");
}

}  // namespace
}  // namespace orphan::metrics
