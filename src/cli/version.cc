// SPDX-License-Identifier: Apache-2.0
#include "cli/version.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "metrics/endpoint.h"

namespace orphan::cli {

std::string version_text() {
  return fmt::format("orphan {} (libbpf {}.{}{}{})", ORPHAN_VERSION, libbpf_major_version(), libbpf_minor_version(),
                     ORPHAN_STATIC ? ", static" : "", metrics::Endpoint::kIsAvailable ? "" : ", without prometheus-cpp");
}

}  // namespace orphan::cli
