// SPDX-License-Identifier: Apache-2.0
#include "serve/notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>

#include "base/types.h"

namespace orphan::serve {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

Result<std::optional<u64>> number(const char* name) {
  std::string_view text = environment(name);
  if (text.empty()) return std::optional<u64>();
  u64 value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0)
    return Error(ErrorCode::Usage, fmt::format("${}: '{}' is no number from 1 on", name, text));
  return std::optional(value);
}

bool is_address(std::string_view text) {
  // The last byte of a path ends it; an abstract name has a first one instead.
  return text.size() > 1 && text.size() < sizeof(sockaddr_un::sun_path) && (text[0] == '/' || text[0] == '@');
}

// A line each: what would end one becomes a blank.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return line;
}

}  // namespace

Result<Notifier> Notifier::from_environment() {
  Notifier notifier;
  std::string_view address = environment("NOTIFY_SOCKET");
  if (address.empty()) return notifier;
  if (!is_address(address)) {
    return Error(ErrorCode::Usage, fmt::format("$NOTIFY_SOCKET: '{}' is neither a path nor @NAME, of {} characters at most",
                                               address, sizeof(sockaddr_un::sun_path) - 1));
  }
  notifier.address_ = address;
  notifier.socket_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (notifier.socket_.value() < 0) return system_error("a socket for $NOTIFY_SOCKET", errno);
  // A manager that does not read must not hold up the daemon.
  timeval patience{.tv_sec = 1, .tv_usec = 0};
  if (::setsockopt(notifier.socket_.value(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
    return system_error("the socket for $NOTIFY_SOCKET", errno);

  auto period_us = TRY(number("WATCHDOG_USEC"));
  auto watched = TRY(number("WATCHDOG_PID"));
  bool is_us = !watched || *watched == static_cast<u64>(::getpid());
  if (period_us && is_us) notifier.watchdog_period_s_ = static_cast<double>(*period_us) / 2e6;
  return notifier;
}

Result<void> Notifier::ready(std::string_view status) const {
  return send(fmt::format("READY=1\nSTATUS={}", one_line(status)));
}

Result<void> Notifier::status(std::string_view status) const {
  return send(fmt::format("STATUS={}", one_line(status)));
}

Result<void> Notifier::stopping(std::string_view status) const {
  return send(fmt::format("STOPPING=1\nSTATUS={}", one_line(status)));
}

Result<void> Notifier::alive() const {
  if (!watchdog_period_s_) return {};
  return send("WATCHDOG=1");
}

Result<void> Notifier::send(std::string_view text) const {
  if (socket_.value() < 0) return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  address_.copy(address.sun_path, address_.size());
  if (address_[0] == '@') address.sun_path[0] = '\0';
  // An abstract name has the length that it has; a path ends with a zero, counted or not.
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  for (;;) {
    if (::sendto(socket_.value(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size) >= 0)
      return {};
    if (errno != EINTR) return system_error(fmt::format("$NOTIFY_SOCKET, {}", address_), errno);
  }
}

}  // namespace orphan::serve
