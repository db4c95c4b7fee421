// SPDX-License-Identifier: Apache-2.0
#include "serve/socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace orphan::serve {
namespace {

constexpr std::size_t kMostWords = 4096;  // bytes; no command is nearly as long

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return Error(ErrorCode::Usage, fmt::format("{}: a socket's path has 1 to {} bytes", path, sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> connect_to(const std::string& path) {
  sockaddr_un address = TRY(address_of(path));
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.value() < 0) return system_error("socket", errno);
  if (::connect(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_error(path, errno);
  return socket;
}

}  // namespace

Result<std::unique_ptr<CommandSocket>> CommandSocket::listen(const std::string& path, std::optional<gid_t> group,
                                                             Watchman& watchman, Mailbox& mailbox) {
  sockaddr_un address = TRY(address_of(path));
  if (connect_to(path)) {
    return Error(ErrorCode::Usage,
                 fmt::format("{}: a daemon answers there already: end it, or give another path with --socket", path));
  }
  struct stat status{};
  // Nothing but a socket is replaced.
  if (::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path.c_str());
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (listener.value() < 0) return system_error("socket", errno);
  mode_t before = ::umask(0177);
  bool is_bound = ::bind(listener.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  int error = errno;
  ::umask(before);
  if (!is_bound) return system_error(fmt::format("{}: the socket cannot be made", path), error);
  if (group && (::chown(path.c_str(), 0, *group) != 0 || ::chmod(path.c_str(), 0660) != 0)) return system_error(path, errno);
  if (::listen(listener.value(), SOMAXCONN) != 0) return system_error(path, errno);
  return std::unique_ptr<CommandSocket>(new CommandSocket(std::move(listener), path, watchman, mailbox));
}

CommandSocket::~CommandSocket() {
  ::unlink(path_.c_str());
}

void CommandSocket::add_to(std::vector<pollfd>& descriptors) const {
  if (clients_.size() < kMostClients) descriptors.push_back({.fd = listener_.value(), .events = POLLIN, .revents = 0});
  for (const Client& client : clients_) {
    // While the watchman works, only the client's end is of interest, which is always told.
    short events = client.has_answer ? POLLOUT : 0;
    if (!client.has_asked) events = POLLIN;
    descriptors.push_back({.fd = client.descriptor.value(), .events = events, .revents = 0});
  }
}

void CommandSocket::take(const std::vector<pollfd>& descriptors) {
  auto events_of = [&](int descriptor) {
    auto found = std::ranges::find(descriptors, descriptor, &pollfd::fd);
    return found != descriptors.end() ? found->revents : short{0};
  };
  std::erase_if(clients_, [&](Client& client) {
    short events = events_of(client.descriptor.value());
    return events != 0 && !take(client, events);
  });
  if (events_of(listener_.value()) != 0) accept();
}

void CommandSocket::accept() {
  Fd descriptor(::accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (descriptor.value() >= 0) clients_.push_back({.descriptor = std::move(descriptor), .number = next_number_++});
}

bool CommandSocket::take(Client& client, short events) {
  if (!client.has_asked) return receive(client);
  if ((events & (POLLHUP | POLLERR)) != 0) {
    if (client.ticket) client.ticket->cancel();
    return false;
  }
  return !client.has_answer || send(client);
}

bool CommandSocket::receive(Client& client) {
  std::array<char, kMostWords> buffer;
  ssize_t size = ::recv(client.descriptor.value(), buffer.data(), buffer.size(), 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size > 0) {
    // What is longer is refused, whatever it is.
    client.words.append(buffer.data(), std::min(static_cast<std::size_t>(size), kMostWords - client.words.size()));
    return true;
  }
  ask(client);
  return true;
}

void CommandSocket::ask(Client& client) {
  client.has_asked = true;
  client.ticket = watchman_.post(client.words, [this, number = client.number](Answer answer) {
    mailbox_.put([this, number, answer = std::move(answer)] {
      auto found = std::ranges::find(clients_, number, &Client::number);
      if (found == clients_.end()) return;
      found->ticket.reset();
      found->has_answer = true;
      found->answer = fmt::format("{}\n{}", answer.error, answer.text);
    });
  });
}

bool CommandSocket::send(Client& client) const {
  ssize_t size = ::send(client.descriptor.value(), client.answer.data(), client.answer.size(), MSG_NOSIGNAL);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  client.answer.erase(0, static_cast<std::size_t>(size));
  return !client.answer.empty();
}

Result<Answer> ask_daemon(const std::string& path, const std::string& words) {
  auto socket = connect_to(path);
  if (!socket) {
    return Error(ErrorCode::NotFound, fmt::format("{}: no daemon answers: start one with `orphan serve`, or name its socket with "
                                                  "--socket",
                                                  socket.error().text()));
  }
  int descriptor = socket->value();
  if (::send(descriptor, words.data(), words.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(words.size()) ||
      ::shutdown(descriptor, SHUT_WR) != 0)
    return system_error(path, errno);
  std::string all;
  std::array<char, 4096> buffer;
  for (;;) {
    ssize_t size = ::recv(descriptor, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) return Error(ErrorCode::Interrupted, path);
    if (size < 0) return system_error(path, errno);
    if (size == 0) break;
    all.append(buffer.data(), static_cast<std::size_t>(size));
  }
  Answer answer;
  auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), answer.error);
  if (error != std::errc() || end == all.data() + all.size() || *end != '\n')
    return Error(ErrorCode::Io, path + ": the daemon has ended without an answer");
  answer.text = all.substr(static_cast<std::size_t>(end + 1 - all.data()));
  return answer;
}

}  // namespace orphan::serve
