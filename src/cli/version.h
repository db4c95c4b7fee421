// SPDX-License-Identifier: Apache-2.0
// Which program this is. The one part of the command line that is compiled anew for each of the two programs.
#pragma once
#include <string>

namespace orphan::cli {

// "orphan 0.1.0 (libbpf 1.1, static, without prometheus-cpp and librsvg)".
std::string version_text();

}  // namespace orphan::cli
