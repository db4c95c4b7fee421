// SPDX-License-Identifier: Apache-2.0
#include "cli/serve.h"

#include <fmt/format.h>
#include <grp.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

#include "cli/scan.h"
#include "cli/session.h"
#include "cli/tracking.h"
#include "metrics/endpoint.h"
#include "report/output.h"
#include "serve/daemon.h"
#include "serve/socket.h"

namespace orphan::cli {
namespace {

constexpr int kRefused = 1;  // by the daemon

// Of this machine's own: other services that know groups cannot be asked by a program that is one file. A number will do for
// theirs.
Result<gid_t> find_group(const std::string& name) {
  gid_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size()) return number;
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/etc/group", "re"), std::fclose);
  while (file) {
    const group* entry = ::fgetgrent(file.get());
    if (entry == nullptr) break;
    if (name == entry->gr_name) return entry->gr_gid;
  }
  return Error(ErrorCode::Usage, fmt::format("--group: /etc/group has no '{}': give its number", name));
}

Result<serve::PublishFigures> open_metrics(const metrics::ListenAddress& address) {
  auto endpoint = std::make_shared<metrics::Endpoint>(TRY(metrics::Endpoint::open(address)));
  return serve::PublishFigures(
      [endpoint](const serve::MetricsFigures& figures) { endpoint->update(serve::metrics_of(figures)); });
}

Result<serve::DaemonOptions> daemon_options(const ServeCommand& command) {
  serve::DaemonOptions options{.mount_point = command.mount_point,
                               .state_directory = command.state_directory,
                               .socket = command.socket,
                               .bind_over = command.bind_over};
  if (!command.group.empty()) options.group = TRY(find_group(command.group));
  if (command.metrics) {
    auto address = TRY(metrics::parse_listen_address(*command.metrics, "--metrics"));
    options.open_metrics = [address] { return open_metrics(address); };
  }
  options.scanner.scan = TRY(scan_options(command.track.scan));
  if (!command.does_not_track) options.scanner.track = TRY(track_options(command.track));
  options.watch.first_scan_s = command.first_s;
  options.watch.settings.period_ms = static_cast<u32>(command.period_s * 1000);
  options.watch.settings.min_age_s = command.track.scan.min_age_s;
  options.watch.is_period_fixed = command.has_period;
  options.watch.is_min_age_fixed = command.has_min_age;
  return options;
}

Result<void> serve_kernel(const ServeCommand& command) {
  return serve::run_daemon(TRY(daemon_options(command)));
}

int fail(const Error& error) {
  fmt::print(stderr, "orphan: {}\n", error.text());
  return kCouldNotLook;
}

}  // namespace

int run_serve(const ServeCommand& command) {
  auto done = serve_kernel(command);
  return done ? kClean : fail(done.error());
}

int run_ctl(const CtlCommand& command) {
  std::string words = fmt::format("{}", fmt::join(command.words, " "));
  auto answer = serve::ask_daemon(command.socket, words);
  if (!answer) return fail(answer.error());
  if (answer->error != 0) {
    fmt::print(stderr, "orphan: ctl: {}: {}\n", words, std::strerror(answer->error));
    return kRefused;
  }
  auto written = write_stdout(answer->text);
  return written ? kClean : fail(written.error());
}

}  // namespace orphan::cli
