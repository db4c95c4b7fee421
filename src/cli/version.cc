// SPDX-License-Identifier: Apache-2.0
#include "cli/version.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "serve/metrics_endpoint.h"

namespace orphan::cli {

std::string version_text() {
  return fmt::format("orphan {} (libbpf {}.{}{}{})", ORPHAN_VERSION, libbpf_major_version(), libbpf_minor_version(),
                     ORPHAN_STATIC ? ", static" : "", serve::MetricsEndpoint::kIsAvailable ? "" : ", without prometheus-cpp");
}

}  // namespace orphan::cli
