// SPDX-License-Identifier: Apache-2.0
// The endpoint of a program that is linked without prometheus-cpp: there is none.
#include "serve/metrics_endpoint.h"

namespace orphan::serve {

struct MetricsEndpoint::Server {};

const bool MetricsEndpoint::kIsAvailable = false;

Result<MetricsEndpoint> MetricsEndpoint::open(const ListenAddress&) {
  return Error(ErrorCode::Unsupported, "--metrics: this program was linked without prometheus-cpp; use the program orphan");
}

MetricsEndpoint::MetricsEndpoint(MetricsEndpoint&&) noexcept = default;
MetricsEndpoint& MetricsEndpoint::operator=(MetricsEndpoint&&) noexcept = default;
MetricsEndpoint::~MetricsEndpoint() = default;

// Nobody has one to call these of.
void MetricsEndpoint::update(const MetricsFigures&) {
  VERIFY(false);
}

u16 MetricsEndpoint::port() const {
  VERIFY(false);
  return 0;
}

}  // namespace orphan::serve
