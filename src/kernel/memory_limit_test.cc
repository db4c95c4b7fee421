// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory_limit.h"

#include <gtest/gtest.h>

namespace orphan::kernel {
namespace {

constexpr u64 kMiB = 1 << 20;
constexpr u64 kCache = 16 * kMiB;
const MemoryNeeds kMillion{.resident_bytes = 14 * kMiB, .ram_pages = 1 << 20, .slabs = 40'000, .slots = 1'000'000};

TEST(MemoryLimit, SlotsAndSlabsAreThoseOfAllCaches) {
  MemoryNeeds needs;
  count_slabs(
      "slabinfo - version: 2.1\n"
      "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables\n"
      "kmalloc-8          10000  10240      8  512    1 : tunables    0    0    0 : slabdata     20     20      0\n"
      "task_struct          100    110   9600    5    8 : tunables    0    0    0 : slabdata     22     22      0\n"
      "empty                  0      0    128    0    1 : tunables\n"
      "damaged\n",
      needs);
  EXPECT_EQ(needs.slots, 10'350U);
  EXPECT_EQ(needs.slabs, 42U);
}

TEST(MemoryLimit, WithPlentyTheCacheIsWholeAndAllChecksumsFit) {
  auto plan = plan_memory(200 * kMiB, kMillion, kCache);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->cache_bytes, kCache);
  EXPECT_GE(plan->most_checksums, kMillion.slots);
}

TEST(MemoryLimit, WithLessTheCacheAndTheChecksumsShrink_AndNeverGrow) {
  MemoryPlan last{0, 0};
  for (u64 limit = 30 * kMiB; limit <= 100 * kMiB; limit += kMiB) {
    auto plan = plan_memory(limit, kMillion, kCache);
    if (!plan) continue;
    EXPECT_GE(plan->cache_bytes, last.cache_bytes);
    EXPECT_GE(plan->most_checksums, last.most_checksums);
    EXPECT_GT(plan->most_checksums, 0U);
    EXPECT_LE(plan->cache_bytes + plan->most_checksums * 2, limit - kMillion.resident_bytes);
    last = *plan;
  }
  EXPECT_EQ(last.cache_bytes, kCache);
}

TEST(MemoryLimit, WhatIsNotEnoughIsAnErrorThatSaysWhatIs) {
  auto plan = plan_memory(15 * kMiB, kMillion, kCache);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), ErrorCode::Usage);
  const std::string& text = plan.error().text();
  EXPECT_TRUE(text.starts_with("--memory-limit: 15M is not enough")) << text;
  u64 needed = std::stoull(text.substr(text.rfind("needs ") + 6));
  EXPECT_FALSE(plan_memory((needed - 1) * kMiB, kMillion, kCache));
  EXPECT_TRUE(plan_memory(needed * kMiB, kMillion, kCache));
}

}  // namespace
}  // namespace orphan::kernel
