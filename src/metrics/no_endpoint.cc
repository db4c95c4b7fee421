// SPDX-License-Identifier: Apache-2.0
// The endpoint of a program that is linked without prometheus-cpp: there is none.
#include "metrics/endpoint.h"

namespace orphan::metrics {

struct Endpoint::Server {};

const bool Endpoint::kIsAvailable = false;

Result<Endpoint> Endpoint::open(const ListenAddress&) {
  return Error(ErrorCode::Unsupported, "--metrics: this program was linked without prometheus-cpp; use the program orphan");
}

Endpoint::Endpoint(Endpoint&&) noexcept = default;
Endpoint& Endpoint::operator=(Endpoint&&) noexcept = default;
Endpoint::~Endpoint() = default;

// Nobody has one to call these of.
void Endpoint::update(std::span<const Metric>) {
  VERIFY(false);
}

u16 Endpoint::port() const {
  VERIFY(false);
  return 0;
}

}  // namespace orphan::metrics
