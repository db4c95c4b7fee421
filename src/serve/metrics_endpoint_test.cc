// SPDX-License-Identifier: Apache-2.0
// The figures of the daemon, as metrics/endpoint serves them, also from its sandbox.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "base/fd.h"
#include "metrics/endpoint.h"
#include "serve/in_child.h"
#include "serve/metrics.h"
#include "serve/sandbox.h"

namespace orphan::serve {
namespace {

Fd connect_to(u16 port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  if (::connect(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Fd();
  return socket;
}

// The whole answer to a GET.
std::string fetch(u16 port, const std::string& path = "/metrics") {
  Fd socket = connect_to(port);
  std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  if (::send(socket.value(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  char part[4096];
  ssize_t size = 0;
  while ((size = ::recv(socket.value(), part, sizeof part, 0)) > 0) answer.append(part, static_cast<std::size_t>(size));
  return answer;
}

metrics::Endpoint open_any() {
  auto endpoint = metrics::Endpoint::open({.port = 0});
  if (!endpoint) ADD_FAILURE() << endpoint.error().text();
  return std::move(endpoint).take();
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(MetricsEndpoint, FiguresAreServedAsTheyWereLastUpdated_WhatHasGoneIsGone) {
  metrics::Endpoint endpoint = open_any();
  EXPECT_TRUE(metrics::Endpoint::kIsAvailable);
  std::string before = fetch(endpoint.port());
  EXPECT_TRUE(before.starts_with("HTTP/1.1 200 OK")) << before;
  EXPECT_FALSE(contains(before, "orphan_"));

  endpoint.update(metrics_of({.caches = {{"dentry", 3, 576}, {"q\"\\", 1, 8}}, .scans_total = 1}));
  std::string first = fetch(endpoint.port());
  EXPECT_TRUE(contains(first, "# TYPE orphan_leaked_objects gauge\n")) << first;
  EXPECT_TRUE(contains(first, "# HELP orphan_leaked_objects Unreferenced"));
  EXPECT_TRUE(contains(first, "\norphan_leaked_objects{cache=\"dentry\"} 3\n"));
  EXPECT_TRUE(contains(first, "\norphan_leaked_bytes{cache=\"q\\\"\\\\\"} 8\n"));
  EXPECT_TRUE(contains(first, "# TYPE orphan_scans_total counter\norphan_scans_total 1\n"));

  endpoint.update(metrics_of({.caches = {{"filp", 1, 256}}, .scans_total = 2}));
  std::string second = fetch(endpoint.port());
  EXPECT_FALSE(contains(second, "dentry"));
  EXPECT_TRUE(contains(second, "\norphan_leaked_objects{cache=\"filp\"} 1\n"));
  EXPECT_TRUE(contains(second, "\norphan_scans_total 2\n"));
}

TEST(MetricsEndpoint, NothingElseIsServed) {
  metrics::Endpoint endpoint = open_any();
  for (const char* path : {"/", "/etc/passwd", "/../etc/passwd", "/metrics/../../etc/passwd"}) {
    std::string answer = fetch(endpoint.port(), path);
    EXPECT_FALSE(answer.starts_with("HTTP/1.1 200")) << path << ": " << answer;
    EXPECT_FALSE(contains(answer, "root:")) << path;
  }
}

TEST(MetricsEndpoint, AScrapeSeesOneUpdateAndNoMixture) {
  metrics::Endpoint endpoint = open_any();
  std::atomic<bool> is_over = false;
  std::jthread updater([&] {
    for (u64 n = 1; !is_over; ++n) endpoint.update(metrics_of({.cleared = n, .suspects_total = n, .scans_total = n}));
  });
  auto value = [](const std::string& text, const std::string& name) {
    std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? std::string("none")
                                   : text.substr(at + name.size() + 2, text.find('\n', at + 1) - at - name.size() - 2);
  };
  for (int i = 0; i < 200; ++i) {
    std::string text = fetch(endpoint.port());
    std::string cleared = value(text, "orphan_cleared_objects");
    EXPECT_EQ(value(text, "orphan_suspects_total"), cleared);
    EXPECT_EQ(value(text, "orphan_scans_total"), cleared);
  }
  is_over = true;
}

TEST(MetricsEndpoint, AnAddressThatIsTakenOrNotOursIsNamed) {
  metrics::Endpoint first = open_any();
  metrics::ListenAddress same{.port = first.port()};
  auto second = metrics::Endpoint::open(same);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text(), "--metrics: cannot listen at " + same.text() +
                                       ": Address already in use; choose another port, or end who listens there");
  std::string foreign = "192.0.2.1";  // of those that are for documentation
  second = metrics::Endpoint::open({.host = foreign, .port = 9469});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text(), "--metrics: cannot listen at " + foreign +
                                       ":9469: Cannot assign requested address; it is no address of this machine");
}

TEST(MetricsEndpoint, OnceItHasGoneItsPortIsFree) {
  u16 port = 0;
  {
    metrics::Endpoint endpoint = open_any();
    port = endpoint.port();
    EXPECT_FALSE(fetch(port).empty());
  }
  EXPECT_LT(connect_to(port).value(), 0);
  EXPECT_TRUE(metrics::Endpoint::open({.port = port}));
}

TEST(MetricsEndpoint, ItListensToIpv6_OrSaysThatTheLibraryCannot) {
  metrics::ListenAddress loopback{.host = "::1", .is_ipv6 = true, .port = 0};
  Fd probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  if (::bind(probe.value(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    GTEST_SKIP() << "no IPv6 on this machine";
  auto endpoint = metrics::Endpoint::open(loopback);
  if (!endpoint) {
    EXPECT_EQ(
        endpoint.error().text(),
        "--metrics: cannot listen at [::1]:0: the library that serves them, civetweb, was built without IPv6, as Debian's is; "
        "give an address of IPv4");
    return;
  }
  address.sin6_port = htons(endpoint->port());
  Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

// The child serves until it is told to stop.
TEST(MetricsEndpoint, InTheSandboxItGoesOnServing) {
  int ports[2];
  int stops[2];
  ASSERT_EQ(::pipe(ports), 0);
  ASSERT_EQ(::pipe(stops), 0);
  pid_t child = ::fork();
  if (child == 0) {
    ::close(stops[1]);
    {
      metrics::Endpoint endpoint = open_any();
      auto entered = enter_sandbox({});
      EXPECT_TRUE(entered) << entered.error().text();
      endpoint.update(metrics_of({.scans_total = 42}));
      u16 port = endpoint.port();
      EXPECT_EQ(::write(ports[1], &port, sizeof port), static_cast<ssize_t>(sizeof port));
      char byte = 0;
      EXPECT_EQ(::read(stops[0], &byte, 1), 0);
    }
    std::fflush(nullptr);
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  u16 port = 0;
  ASSERT_EQ(::read(ports[0], &port, sizeof port), static_cast<ssize_t>(sizeof port));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(contains(fetch(port), "\norphan_scans_total 42\n"));
  for (int fd : {stops[1], stops[0], ports[0], ports[1]}) ::close(fd);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace orphan::serve
