// SPDX-License-Identifier: Apache-2.0
#include "metrics/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>

namespace orphan::metrics {

std::string ListenAddress::text() const {
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<ListenAddress> parse_listen_address(std::string_view text, std::string_view option) {
  auto wrong = [&](std::string_view what) {
    return Error(ErrorCode::Usage,
                 fmt::format("{}: '{}': {}; write PORT, 127.0.0.1:PORT or [::1]:PORT, with any address of this machine", option,
                             text, what));
  };
  ListenAddress address;
  std::string_view port = text;
  if (std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    address.is_ipv6 = host.starts_with('[') && host.ends_with(']');
    if (address.is_ipv6) host = host.substr(1, host.size() - 2);
    address.host = host;
    in6_addr bytes{};
    if (address.host.find('\0') != std::string::npos ||
        ::inet_pton(address.is_ipv6 ? AF_INET6 : AF_INET, address.host.c_str(), &bytes) != 1)
      return wrong(fmt::format("'{}' is no address", text.substr(0, colon)));
  }
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || address.port == 0)
    return wrong(fmt::format("'{}' is no port", port));
  return address;
}

}  // namespace orphan::metrics
