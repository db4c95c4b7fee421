// SPDX-License-Identifier: Apache-2.0
// The daemon, from its start to its end: everything that takes rights is opened first, then the rights are given up, and then one
// thread waits for requests and for signals while the watchman does the work.
#pragma once
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "serve/kernel_scanner.h"
#include "serve/metrics.h"
#include "serve/watchman.h"

namespace orphan::serve {

// From any thread.
using PublishFigures = std::function<void(const MetricsFigures&)>;

struct DaemonOptions {
  std::string mount_point = "/run/orphan";
  std::string state_directory = "/var/lib/orphan";
  std::string socket = "/run/orphan.sock";
  std::optional<gid_t> group = {};            // whose members may use the files and the socket; nothing: only root may
  std::optional<std::string> bind_over = {};  // a file that the control file is to cover
  // Begins to answer those who ask for figures, and returns who is to be told them. Absent: nobody may ask.
  std::function<Result<PublishFigures>()> open_metrics = {};
  ScannerOptions scanner = {};
  Watchman::Options watch = {};
};

// Until SIGTERM, SIGINT or SIGHUP, or until somebody unmounts the files. An error: it could not start.
Result<void> run_daemon(DaemonOptions options);

}  // namespace orphan::serve
