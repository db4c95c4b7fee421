// SPDX-License-Identifier: Apache-2.0
// The time in a line that date(1) has printed, in whatever locale's order and whatever a script has put around it.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace orphan::watch {

struct Date {
  i64 unix_ms = 0;
  std::string unknown_zone = {};  // an abbreviation that is not known: the time is taken for UTC
};

// "Fri Nov 27 06:49:25 UTC 2026", "Fri 27 Nov 2026 06:49:25 AM CET", "Fri, 27 Nov 2026 06:49:25 +0100", "2026-11-27 06:49:25",
// "2026-11-27T06:49:25.123+01:00", "1795762165"; also as "=== … ===", "# …", "date: …". A line with anything else in it is no
// date.
std::optional<Date> parse_date(std::string_view line);

}  // namespace orphan::watch
