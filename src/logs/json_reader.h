// SPDX-License-Identifier: Apache-2.0
// Reads JSON of orphan's own: what `scan`, `track --outstanding`, `serve` and `report` write. docs/json.md describes the fields.
// What is not known is skipped, and so is a group that lacks what it takes to count it.
#pragma once
#include <string_view>

#include "base/result.h"
#include "logs/finding.h"

namespace orphan::logs {

// How many groups were found. BadData: it is no JSON, or none of orphan's; the error does not name the file.
Result<u64> read_json_report(std::string_view text, const Hooks& hooks);

}  // namespace orphan::logs
