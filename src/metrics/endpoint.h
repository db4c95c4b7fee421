// SPDX-License-Identifier: Apache-2.0
// Serves the figures to Prometheus, over HTTP, at /metrics. Two libraries implement this: one by prometheus-cpp, and one, for a
// program that is linked statically, that says it cannot: Debian has no archive of prometheus-cpp.
#pragma once
#include <memory>
#include <span>

#include "base/result.h"
#include "base/types.h"
#include "metrics/listen_address.h"
#include "metrics/metric.h"

namespace orphan::metrics {

class Endpoint {
 public:
  // Whether open() can succeed in this program.
  static const bool kIsAvailable;

  // Listens from now on, with threads of its own; it goes on in a sandbox that is entered later. Unsupported: see above. The
  // error of an address that is in use, or not of this machine, says so.
  static Result<Endpoint> open(const ListenAddress& address);

  Endpoint(Endpoint&& other) noexcept;
  Endpoint& operator=(Endpoint&& other) noexcept;
  ~Endpoint();

  // Who asks gets these figures from now on, all of them; before the first time, none. From any thread.
  void update(std::span<const Metric> metrics);
  // Where it listens; one that was to be any has become a certain one.
  u16 port() const;

 private:
  struct Server;
  explicit Endpoint(std::unique_ptr<Server> server);

  std::unique_ptr<Server> server_;
};

}  // namespace orphan::metrics
