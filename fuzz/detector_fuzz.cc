// SPDX-License-Identifier: Apache-2.0
// Sequences of all that the detector can be told: a slow detector agrees with it after each step.
#include <cstdio>

#include "detector/detector_pair.h"
#include "input.h"

using namespace orphan;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  constexpr u64 kMostSteps = 200;
  fuzz::Input input(data, size);
  u64 attribute_bytes = input.number<u8>();
  if (attribute_bytes >= 128) attribute_bytes = ~u64{0} >> 1;
  DetectorPair pair([&] { return input.number<u16>(); }, attribute_bytes);
  for (u64 steps = 0; steps < kMostSteps && !input.has_ended(); ++steps) {
    pair.step();
    std::string difference = pair.difference();
    if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
    VERIFY(difference.empty());
  }
  return 0;
}
