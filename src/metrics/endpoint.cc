// SPDX-License-Identifier: Apache-2.0
// By prometheus-cpp, which throws: this file is compiled with exceptions, and lets none out.
#include "metrics/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <utility>

#include "base/fd.h"

namespace orphan::metrics {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

// The library's own registry changes one gauge after the other, and a scrape may come in between. Here all of them change at
// once.
class Published : public prometheus::Collectable {
 public:
  void publish(Families families) {
    auto fresh = std::make_shared<const Families>(std::move(families));
    std::scoped_lock lock(mutex_);
    families_ = std::move(fresh);
  }
  Families Collect() const override {  // NOLINT(readability-identifier-naming): the library's name
    std::shared_ptr<const Families> now;
    {
      std::scoped_lock lock(mutex_);
      now = families_;
    }
    return *now;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Families> families_ = std::make_shared<const Families>();
};

prometheus::MetricFamily family_of(const Metric& metric) {
  prometheus::MetricFamily family;
  family.name = metric.name;
  family.help = metric.help;
  family.type = metric.is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
  for (const MetricSample& sample : metric.samples) {
    prometheus::ClientMetric one;
    if (!metric.label_name.empty()) one.label.push_back({std::string(metric.label_name), sample.label});
    (metric.is_counter ? one.counter.value : one.gauge.value) = sample.value;
    family.metric.push_back(std::move(one));
  }
  return family;
}

std::string_view remedy(int error_number) {
  switch (error_number) {
    case EADDRINUSE: return "; choose another port, or end who listens there";
    case EADDRNOTAVAIL: return "; it is no address of this machine";
    default: return "";
  }
}

// The library says only that it did not work, whatever it was. So the address is tried before, and its error is known; a moment
// later it may still be taken by somebody else.
Result<void> try_address(const ListenAddress& address) {
  sockaddr_storage where{};
  socklen_t size = 0;
  if (address.is_ipv6) {
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(address.port);
    ::inet_pton(AF_INET6, address.host.c_str(), &ipv6.sin6_addr);
    std::memcpy(&where, &ipv6, size = sizeof ipv6);
  } else {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(address.port);
    ::inet_pton(AF_INET, address.host.c_str(), &ipv4.sin_addr);
    std::memcpy(&where, &ipv4, size = sizeof ipv4);
  }
  Fd socket(::socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int yes = 1;
  bool works = socket.value() >= 0 && ::setsockopt(socket.value(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
               ::bind(socket.value(), reinterpret_cast<sockaddr*>(&where), size) == 0 && ::listen(socket.value(), 1) == 0;
  if (works) return {};
  int error_number = errno;
  Error error = system_error(fmt::format("--metrics: cannot listen at {}", address.text()), error_number);
  return Error(error.code(), error.text() + std::string(remedy(error_number)));
}

// The descriptors of this process that listen at the port.
std::vector<int> listening_at(u16 port) {
  std::vector<int> found;
  constexpr int kMost = 4096;  // the lowest number that is free is given, and we have few
  for (int fd = 0; fd < kMost; ++fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) continue;
    sockaddr_storage address{};
    size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    // The port is at the same place in an address of IPv6.
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, &address, sizeof ipv4);
    bool is_ip = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    if (is_ip && ntohs(ipv4.sin_port) == port) found.push_back(fd);
  }
  return found;
}

}  // namespace

struct Endpoint::Server {
  // One that asks, and one more. A peer that says nothing is cut off.
  explicit Server(const ListenAddress& address)
      : exposer({"listening_ports", address.text(), "num_threads", "2", "request_timeout_ms", "10000"}) {
    exposer.RegisterCollectable(published);
  }
  // The library's thread looks every two seconds whether it is to end, unless something comes; nobody wants to wait for that.
  ~Server() {
    for (int port : exposer.GetListeningPorts()) {
      for (int fd : listening_at(static_cast<u16>(port))) (void)::shutdown(fd, SHUT_RDWR);
    }
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::shared_ptr<Published> published = std::make_shared<Published>();
  prometheus::Exposer exposer;
};

const bool Endpoint::kIsAvailable = true;

Result<Endpoint> Endpoint::open(const ListenAddress& address) {
  TRY(try_address(address));
  try {
    auto server = std::make_unique<Server>(address);
    return Endpoint(std::move(server));
  } catch (const std::exception& error) {
    if (address.is_ipv6) {
      return Error(
          ErrorCode::Unsupported,
          fmt::format("--metrics: cannot listen at {}: the library that serves them, civetweb, was built without IPv6, as "
                      "Debian's is; give an address of IPv4",
                      address.text()));
    }
    return Error(ErrorCode::Io, fmt::format("--metrics: cannot listen at {}: {}", address.text(), error.what()));
  }
}

Endpoint::Endpoint(std::unique_ptr<Server> server) : server_(std::move(server)) {}
Endpoint::Endpoint(Endpoint&&) noexcept = default;
Endpoint& Endpoint::operator=(Endpoint&&) noexcept = default;
Endpoint::~Endpoint() = default;

void Endpoint::update(std::span<const Metric> metrics) {
  Families families;
  for (const Metric& metric : metrics) families.push_back(family_of(metric));
  server_->published->publish(std::move(families));
}

u16 Endpoint::port() const {
  std::vector<int> ports = server_->exposer.GetListeningPorts();
  VERIFY(!ports.empty());
  return static_cast<u16>(ports.front());
}

}  // namespace orphan::metrics
