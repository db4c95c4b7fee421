// SPDX-License-Identifier: Apache-2.0
#include "cli/version.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <string_view>

#include "metrics/endpoint.h"
#include "plot/png.h"

namespace orphan::cli {

namespace {

std::string libraries_it_lacks() {
  std::string text;
  auto add = [&](bool has, std::string_view name) {
    if (!has) text += (text.empty() ? ", without " : " and ") + std::string(name);
  };
  add(metrics::Endpoint::kIsAvailable, "prometheus-cpp");
  add(plot::kHasPng, "librsvg");
  return text;
}

}  // namespace

std::string version_text() {
  return fmt::format("orphan {} (libbpf {}.{}{}{})", ORPHAN_VERSION, libbpf_major_version(), libbpf_minor_version(),
                     ORPHAN_STATIC ? ", static" : "", libraries_it_lacks());
}

}  // namespace orphan::cli
