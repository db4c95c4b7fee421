// SPDX-License-Identifier: Apache-2.0
// Finds sawteeth: stretches that rise, and end in a drop. A leak in something that is restarted looks like this, and a cache that
// is emptied now and then.
#pragma once
#include <optional>

#include "watch/trend_grid.h"

namespace orphan::watch {

struct Teeth {
  std::size_t drops = 0;
  double rate = 0, rate_error = 0;  // of all rises together, an hour
};

// Nothing where the drops are no more than noise, or the rises between them do not make up for them.
std::optional<Teeth> find_teeth(const Grid& grid);

}  // namespace orphan::watch
