// SPDX-License-Identifier: Apache-2.0
// `orphan account`: open the target, count its pages, write the table.
#include "cli/account.h"

#include <algorithm>
#include <chrono>

#include "cli/session.h"
#include "kernel/account.h"

namespace orphan::cli {
namespace {

std::string print(const Account& account, const AccountCommand& command) {
  switch (command.format) {
    case Format::Json: return to_json(account);
    case Format::Text:
    case Format::Kmemleak:
    case Format::Pprof: return to_text(account, command.top);
  }
  bug("no such format");
}

Result<Account> look(const AccountCommand& command, Session& session) {
  TRY(session.check(command.output));
  auto started = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  auto target = TRY(session.open_kernel());
  kernel::LookHooks hooks = session.look_hooks();
  Account account = TRY(kernel::take_account(target->kernel(), target->owners(), target->symbols(),
                                             {.keep_going = hooks.keep_going, .progress = hooks.progress}));
  account.target = "kernel " + target->release();
  account.version = ORPHAN_VERSION;
  account.started_unix_s = started;
  account.bytes_read = target->bytes_read();
  return account;
}

Error with_reason(const Error& error) {
  if (error.code() != ErrorCode::Interrupted) return error;
  return {error.code(), "interrupted: there is no account of a part"};
}

}  // namespace

int run_account(const AccountCommand& command) {
  Session session;
  Result<Account> account = look(command, session);
  if (!account) return session.fail(with_reason(account.error()));
  bool is_partial = std::ranges::any_of(account->coverage, &Coverage::incomplete);
  return session.finish(command.output, print(*account, command), is_partial ? kPartial : kClean);
}

}  // namespace orphan::cli
