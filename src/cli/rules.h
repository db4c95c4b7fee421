// SPDX-License-Identifier: Apache-2.0
// `orphan scan --list-rules`: what is known of stock kernels that a scan takes into account, each with its reason.
#pragma once
#include <string>

namespace orphan::cli {

std::string rules_text();

}  // namespace orphan::cli
