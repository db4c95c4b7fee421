// SPDX-License-Identifier: Apache-2.0
#include "serve/daemon.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "base/fd.h"
#include "serve/control_files.h"
#include "serve/figures.h"
#include "serve/guard.h"
#include "serve/log.h"
#include "serve/mailbox.h"
#include "serve/notify.h"
#include "serve/sandbox.h"
#include "serve/socket.h"
#include "serve/state_file.h"

namespace orphan::serve {
namespace {

// From now on the signals that end the daemon come as data, to all threads that there will be.
Result<Fd> take_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  sigset_t signals;
  ::sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return system_error("sigprocmask", errno);
  Fd descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (descriptor.value() < 0) return system_error("signalfd", errno);
  return descriptor;
}

Result<std::string> boot_id() {
  std::string text = TRY(read_file("/proc/sys/kernel/random/boot_id"));
  return text.substr(0, text.find('\n'));
}

class Daemon {
 public:
  explicit Daemon(DaemonOptions options) : options_(std::move(options)) {}

  Result<void> run() {
    Guard guard = TRY(Guard::start());
    signals_ = TRY(take_signals());
    notifier_ = TRY(Notifier::from_environment());
    std::string boot = TRY(boot_id());
    StateFile state = TRY(StateFile::open(options_.state_directory, boot, [this](std::string text) { log_.say(text); }));
    options_.scanner.renew_kcore = [&guard] { guard.renew_kcore(); };
    options_.scanner.notice = [this](std::string text) { log_.say(text); };
    auto scanner = TRY(KernelScanner::open(std::move(options_.scanner)));
    Mailbox mailbox = TRY(Mailbox::create());
    std::string file = ControlFiles::path_of_file(options_.mount_point);
    options_.watch.file = file;
    Watchman watchman(*scanner, state, log_, options_.watch);
    auto files =
        TRY(ControlFiles::mount({.mount_point = options_.mount_point, .group = options_.group}, watchman, log_, mailbox, guard));
    if (options_.bind_over) TRY(bind(*files, guard));
    auto socket = TRY(CommandSocket::listen(options_.socket, options_.group, watchman, mailbox));
    if (options_.open_metrics) {
      auto publish = TRY(options_.open_metrics());
      watchman.set_listener([publish = std::move(publish)](const Findings& findings, const Status& status) {
        publish(figures_of(findings.report().get(), status));
      });
    }
    TRY(enter_sandbox({.asks_bpf = scanner->tracking().has_value()}));
    watchman.start();
    say_start(*scanner, file);
    tell([&] { return notifier_->ready("watching"); });
    wait_for_end(*files, *socket, mailbox);
    tell([&] { return notifier_->stopping("ending"); });
    watchman.stop();
    // What waited is told that it will not be done.
    mailbox.empty();
    return {};
  }

 private:
  // The kernel asks us for the file while it is being bound: so another thread does that.
  Result<void> bind(ControlFiles& files, Guard& guard) {
    Result<void> bound;
    std::atomic<bool> is_done = false;
    std::thread binder([&] {
      bound = bind_over(ControlFiles::path_of_file(options_.mount_point), *options_.bind_over, guard);
      is_done = true;
    });
    constexpr int kPatience = 20;  // ms
    while (!is_done) {
      pollfd request{.fd = files.descriptor(), .events = POLLIN, .revents = 0};
      if (::poll(&request, 1, kPatience) > 0) files.take_request();
    }
    binder.join();
    if (!bound && bound.error().code() == ErrorCode::NotFound) {
      log_.say(bound.error().text());
      return {};
    }
    return bound;
  }

  void say_start(const Scanner& scanner, const std::string& file) {
    log_.say(fmt::format("watching kernel {}; reports in {}", scanner.release(), file));
    if (!scanner.why_not_tracking().empty()) log_.say(fmt::format("leaks will have no stacks: {}", scanner.why_not_tracking()));
  }

  // Whether the service manager hears it makes no difference to the work.
  template <typename Message>
  void tell(Message&& message) {
    if (auto told = message(); !told) log_.say(told.error().text());
  }

  int patience_ms() const {
    auto period = notifier_->watchdog_period_s();
    return period ? static_cast<int>(*period * 1000) : -1;
  }

  void wait_for_end(ControlFiles& files, CommandSocket& socket, Mailbox& mailbox) {
    for (;;) {
      std::vector<pollfd> descriptors;
      for (int descriptor : {signals_.value(), mailbox.descriptor(), files.descriptor()})
        descriptors.push_back({.fd = descriptor, .events = POLLIN, .revents = 0});
      socket.add_to(descriptors);
      int ready = ::poll(descriptors.data(), descriptors.size(), patience_ms());
      if (notifier_->watchdog_period_s()) tell([&] { return notifier_->alive(); });
      if (ready <= 0) continue;
      if (descriptors[0].revents != 0) return;
      if (descriptors[1].revents != 0) mailbox.empty();
      if (descriptors[2].revents != 0 && !files.take_request()) {
        log_.say(fmt::format("{}: was unmounted: the daemon ends", options_.mount_point));
        return;
      }
      socket.take(descriptors);
    }
  }

  DaemonOptions options_;
  Log log_;
  Fd signals_;
  std::optional<Notifier> notifier_;
};

}  // namespace

Result<void> run_daemon(DaemonOptions options) {
  if (::geteuid() != 0)
    return Error(ErrorCode::Permission,
                 "the daemon reads the kernel's memory and mounts its files: run as root, outside of any container");
  return Daemon(std::move(options)).run();
}

}  // namespace orphan::serve
