// SPDX-License-Identifier: Apache-2.0
// The words of the control file over a socket, with their answers: what somebody sends, up to the end of what he sends, is one
// command; he gets a line with an errno, or 0, and then the text of the answer.
#pragma once
#include <sys/types.h>

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "serve/mailbox.h"
#include "serve/watchman.h"

struct pollfd;

namespace orphan::serve {

// For one thread, as poll(2) has it.
class CommandSocket {
 public:
  static constexpr std::size_t kMostClients = 64;

  // A socket at `path` that a daemon left behind is replaced; one that is alive is an error.
  static Result<std::unique_ptr<CommandSocket>> listen(const std::string& path, std::optional<gid_t> group, Watchman& watchman,
                                                       Mailbox& mailbox);
  ~CommandSocket();
  CommandSocket(const CommandSocket&) = delete;
  CommandSocket& operator=(const CommandSocket&) = delete;

  // What there is to wait for.
  void add_to(std::vector<pollfd>& descriptors) const;
  // What of it has come; others' descriptors are passed over.
  void take(const std::vector<pollfd>& descriptors);

 private:
  struct Client {
    Fd descriptor;
    u64 number = 0;
    std::string words = {};
    std::string answer = {};
    bool has_asked = false, has_answer = false;
    std::shared_ptr<Watchman::Ticket> ticket = {};  // while the watchman works for it
  };

  CommandSocket(Fd listener, std::string path, Watchman& watchman, Mailbox& mailbox)
      : listener_(std::move(listener)), path_(std::move(path)), watchman_(watchman), mailbox_(mailbox) {}
  void accept();
  // False: the client is done with.
  bool take(Client& client, short events);
  bool receive(Client& client);
  bool send(Client& client) const;
  void ask(Client& client);

  Fd listener_;
  std::string path_;
  Watchman& watchman_;
  Mailbox& mailbox_;
  std::list<Client> clients_;
  u64 next_number_ = 1;
};

// What one asks a daemon, from another process. NotFound: no daemon is there.
Result<Answer> ask_daemon(const std::string& path, const std::string& words);

}  // namespace orphan::serve
