// SPDX-License-Identifier: Apache-2.0
// Parts that more than one JSON document has; docs/json.md describes their fields.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "report/report.h"

namespace orphan {

// Keys keep the order in which they are written: a report is read by people too.
using Json = nlohmann::ordered_json;

// What is not known is null.
Json text_or_null(const std::string& text);

Json tally_json(Tally tally);
Json coverage_json(const std::vector<Coverage>& coverage);
Json images_json(const std::vector<Image>& images);
Json stack_json(const std::vector<Frame>& stack);

// Who allocated a group's blocks, when and where: adds `traced`, `allocated`, `comms` and `stack`.
void add_origin(Json& json, const Leak& leak);

// The document: indented, ASCII, ended by a newline.
std::string text_of(const Json& json);

}  // namespace orphan
