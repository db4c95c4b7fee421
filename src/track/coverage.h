// SPDX-License-Identifier: Apache-2.0
// What a report says about the tracking, and what it takes from it.
#pragma once
#include "track/tracker.h"

namespace orphan::track {

// What was noted, and what could not be.
std::vector<Coverage> coverage_of(const Tracker& tracker);

// Of modules that came and went between two looks, and of what is gone of others, it is known that it was theirs.
void add_loaded_modules(const Tracker& tracker, kernel::Symbols& symbols);

}  // namespace orphan::track
