// SPDX-License-Identifier: Apache-2.0
// Where a server of ours listens.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/types.h"

namespace orphan::metrics {

struct ListenAddress {
  std::string host = "127.0.0.1";  // a number; of IPv6 without its brackets
  bool is_ipv6 = false;
  u16 port = 0;  // 0: any that is free

  // As it was written: "127.0.0.1:9469", "[::1]:9469".
  std::string text() const;
};

// "PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT"; without an address it is the loopback's, so that nobody outside is served unasked.
// No names: which address a name has is for somebody else to say. Usage: anything else; the error names `option`.
Result<ListenAddress> parse_listen_address(std::string_view text, std::string_view option);

}  // namespace orphan::metrics
