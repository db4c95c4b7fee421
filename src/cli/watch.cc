// SPDX-License-Identifier: Apache-2.0
#include "cli/watch.h"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "cli/interrupt.h"
#include "cli/session.h"
#include "metrics/endpoint.h"
#include "report/format.h"
#include "report/progress.h"
#include "watch/import.h"
#include "watch/watcher.h"

namespace orphan::cli {
namespace {

constexpr int kUsage = 2;

int fail(const Error& error) {
  fmt::print(stderr, "orphan: {}\n", error.text());
  return error.code() == ErrorCode::Usage ? kUsage : kCouldNotLook;
}

void print_notice(Progress& progress, const std::string& text) {
  progress.clear();
  fmt::print(stderr, "orphan: watch: {}\n", text);
}

int run_import(const WatchCommand& command) {
  Progress progress;
  progress.step("reading logs");
  auto imported =
      watch::import_files(command.store, command.import, [&](const std::string& text) { print_notice(progress, text); });
  progress.clear();
  if (!imported) return fail(imported.error());
  fmt::print(stderr, "orphan: watch: {} samples are in {}\n", with_commas(imported->samples), command.store);
  return imported->junk == 0 ? kClean : kPartial;
}

watch::WatchOptions options_of(const WatchCommand& command) {
  watch::WatchOptions options;
  options.sampler = {.root = command.root, .top = command.top, .interval_s = command.interval_s};
  options.path = command.store;
  options.store.segment_ms = static_cast<i64>(command.segment_s * 1000);
  options.store.max_bytes = command.max_bytes;
  options.samples = command.samples;
  options.export_directory = command.export_directory;
  options.upload = command.upload;
  options.alarm = command.alarm;
  options.first_retry_s = command.retry_s;
  options.trends = {.threshold = command.threshold, .min_bytes_a_day = static_cast<double>(command.min_bytes_a_day)};
  return options;
}

Result<metrics::Endpoint> open_endpoint(const std::string& text) {
  return metrics::Endpoint::open(TRY(metrics::parse_listen_address(text, "--metrics")));
}

}  // namespace

int run_watch(const WatchCommand& command) {
  if (!command.import.empty()) return run_import(command);
  std::optional<metrics::Endpoint> endpoint;
  if (command.metrics) {
    auto opened = open_endpoint(*command.metrics);
    if (!opened) return fail(opened.error());
    endpoint.emplace(std::move(*opened));
  }
  catch_interrupts();
  Progress progress;
  watch::WatchHooks hooks{.is_stopped = is_interrupted,
                          .wait = wait_seconds,
                          .notice = [&](const std::string& text) { print_notice(progress, text); },
                          .progress = [&](const std::string& text) { progress.step(text); }};
  if (endpoint) hooks.publish = [&](const std::vector<metrics::Metric>& figures) { endpoint->update(figures); };
  auto done = watch::watch(options_of(command), hooks);
  progress.clear();
  return done ? kClean : fail(done.error());
}

}  // namespace orphan::cli
