// SPDX-License-Identifier: Apache-2.0
// `orphan account`: open the target, count its pages, write the table.
#include "cli/account.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "cli/interrupt.h"
#include "kernel/account.h"
#include "kernel/target.h"
#include "report/output.h"
#include "report/progress.h"

namespace orphan::cli {
namespace {

// The contract of the command line.
constexpr int kWhole = 0, kCouldNotLook = 3, kPartial = 4;

std::string print(const Account& account, const AccountCommand& command) {
  switch (command.format) {
    case Format::Json: return to_json(account);
    case Format::Text:
    case Format::Kmemleak: return to_text(account, command.top);
  }
  bug("no such format");
}

Result<Account> look(Progress& progress) {
  auto started = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  auto keep_going = [] { return !is_interrupted(); };
  auto say = [&](std::string_view what) { progress.step(std::string(what)); };
  auto target = TRY(kernel::Target::open({}, {.keep_going = keep_going, .progress = say}));
  Account account = TRY(
      kernel::take_account(target->kernel(), target->owners(), target->symbols(), {.keep_going = keep_going, .progress = say}));
  account.target = fmt::format("kernel {}", target->release());
  account.version = ORPHAN_VERSION;
  account.started_unix_s = started;
  account.bytes_read = target->bytes_read();
  return account;
}

std::string why_not(const Error& error) {
  if (error.code() == ErrorCode::Interrupted) return "interrupted: there is no account of a part";
  if (!error.text().empty()) return error.text();
  return "/proc/kcore: the kernel's own tables cannot be read from it: is it cut short, or that of another kernel?";
}

}  // namespace

int run_account(const AccountCommand& command) {
  catch_interrupts();
  // As for a scan: a huge page in the making would look like somebody's memory that points at what we look for.
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  auto progress = std::make_unique<Progress>();
  Result<Account> account = look(*progress);
  progress.reset();
  if (!account) {
    fmt::print(stderr, "orphan: {}\n", why_not(account.error()));
    return kCouldNotLook;
  }
  std::string text = print(*account, command);
  Result<void> written = command.output.empty() ? write_stdout(text) : write_output(command.output, text);
  if (!written) {
    fmt::print(stderr, "orphan: {}\n", written.error().text());
    return kCouldNotLook;
  }
  return std::ranges::any_of(account->coverage, &Coverage::incomplete) ? kPartial : kWhole;
}

}  // namespace orphan::cli
