// SPDX-License-Identifier: Apache-2.0
// The detector against a slow one that is obviously right, on random sequences of all that it can be told.
#include <gtest/gtest.h>

#include <random>

#include "detector/detector_pair.h"

namespace orphan {
namespace {

TEST(DetectorRandom, AgreesWithASlowDetectorAfterEachStep) {
  constexpr u64 kSeeds = 2000;
  DetectorPair::Happened all;
  for (u64 seed = 1; seed <= kSeeds; ++seed) {
    std::mt19937_64 random(seed);
    u64 attribute_bytes = seed % 3 == 0 ? seed % 5 * 16 : ~u64{0} >> 1;
    DetectorPair pair([&] { return random(); }, attribute_bytes);
    u64 steps = seed % 3 == 0 ? 200 : 60;
    for (u64 step = 0; step < steps; ++step) {
      pair.step();
      ASSERT_EQ(pair.difference(), "") << "seed " << seed << ", step " << step;
    }
    DetectorPair::Happened happened = pair.happened();
    all.reported_by_scan += happened.reported_by_scan;
    all.reported_by_marker += happened.reported_by_marker;
    all.cleared += happened.cleared;
    all.forgotten += happened.forgotten;
    all.restored += happened.restored;
    all.warnings += happened.warnings;
    all.lost.stacks += happened.lost.stacks;
    all.lost.comms += happened.lost.comms;
    all.lost.scan_areas += happened.lost.scan_areas;
    all.lost.overlaps += happened.lost.overlaps;
  }
  // Sequences in which nothing happens would show little.
  auto expect_some = [&](u64 count, const char* what) { EXPECT_GT(count, kSeeds / 10) << what; };
  expect_some(all.reported_by_scan, "reported by a scan");
  expect_some(all.reported_by_marker, "reported by a marker");
  expect_some(all.cleared, "cleared");
  expect_some(all.forgotten, "forgotten");
  expect_some(all.restored, "restored");
  expect_some(all.warnings, "warnings");
  expect_some(all.lost.stacks, "lost stacks");
  expect_some(all.lost.comms, "lost names");
  expect_some(all.lost.scan_areas, "lost areas");
  expect_some(all.lost.overlaps, "overlaps");
}

}  // namespace
}  // namespace orphan
