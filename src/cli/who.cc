// SPDX-License-Identifier: Apache-2.0
// `orphan who`: what block holds an address, who points at it, and how is it reached?
#include "cli/who.h"

#include <algorithm>

#include "cli/session.h"
#include "kernel/who.h"

namespace orphan::cli {
namespace {

struct Answers {
  std::string target;
  std::vector<Who> who;
};

Result<Answers> ask(const WhoCommand& command, Session& session) {
  TRY(session.check(command.output));
  auto target = TRY(session.open_kernel());
  kernel::WhoOptions options{.addresses = {}, .max_referrers = command.max_referrers};
  for (u64 address : command.addresses) options.addresses.push_back(Addr{address});
  Answers answers;
  answers.target = "kernel " + target->release();
  kernel::WhoTarget who{.kernel = target->kernel(),
                        .owners = target->owners(),
                        .symbols = target->symbols(),
                        .btf = target->btf(),
                        .text_of = [&](std::string_view name) { return target->source().text(name); },
                        .module_btf = target->paths().module_btf};
  answers.who = TRY(kernel::who(who, options, session.look_hooks()));
  return answers;
}

std::string print(const Answers& answers, Format format) {
  if (format == Format::Json) return to_json(answers.target, answers.who);
  std::string text;
  for (const Who& who : answers.who) text += to_text(who);
  return text;
}

bool is_held(const Who& who) {
  return who.block && (who.block->state != BlockState::Free && who.block->state != BlockState::Unreferenced);
}

}  // namespace

int run_who(const WhoCommand& command) {
  Session session;
  Result<Answers> answers = ask(command, session);
  if (!answers) return session.fail(answers.error());
  int status = std::ranges::all_of(answers->who, is_held) ? 0 : 1;
  return session.finish(command.output, print(*answers, command.format), status);
}

}  // namespace orphan::cli
