// SPDX-License-Identifier: Apache-2.0
// What was sampled before orphan watch was started again, for the trends that it looks at while it runs.
#pragma once
#include <string>

#include "watch/live_trends.h"
#include "watch/samples.h"

namespace orphan::watch {

// Has `trends` recall the samples of the last boot, if it is `boot_id`: of the series that are in the last samples. They are read
// a part at a time.
Result<void> recall_samples(LiveTrends& trends, Samples& samples, const std::string& boot_id);

}  // namespace orphan::watch
