// SPDX-License-Identifier: Apache-2.0
// Tells the service manager how the daemon is, by the protocol of sd_notify(3): datagrams of lines NAME=VALUE to the socket that
// the environment names. libsystemd has no static archive, and this is all of it that is needed.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace orphan::serve {

class Notifier {
 public:
  // By $NOTIFY_SOCKET (a path, or @NAME), $WATCHDOG_USEC and $WATCHDOG_PID. Without the first, nobody wants to know, and all
  // functions do nothing. Usage: it is no address that a datagram could go to, or a number is none. In a sandbox it goes on
  // working.
  static Result<Notifier> from_environment();

  // Each waits a second at most.
  Result<void> ready(std::string_view status) const;
  Result<void> status(std::string_view status) const;
  Result<void> stopping(std::string_view status) const;
  // To be called once per watchdog_period_s() at least.
  Result<void> alive() const;
  // Half of what the manager waits before it ends the daemon; nothing: it does not watch.
  std::optional<double> watchdog_period_s() const { return watchdog_period_s_; }

 private:
  Notifier() = default;
  Result<void> send(std::string_view text) const;

  Fd socket_;            // none: nobody wants to know
  std::string address_;  // as in the environment
  std::optional<double> watchdog_period_s_;
};

}  // namespace orphan::serve
