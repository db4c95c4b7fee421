// SPDX-License-Identifier: Apache-2.0
// The subcommand `orphan scan`, from its options to its exit status, and what other commands that end with a scan take from it.
#pragma once
#include "cli/options.h"
#include "cli/session.h"
#include "kernel/scan.h"

namespace orphan::cli {

// Runs `orphan scan`; returns the exit status.
int run_scan(const ScanCommand& command);

// What every command that ends with a scan does the same.
Result<kernel::ScanOptions> scan_options(const ScanCommand& command);
std::string print(const Report& report, const ScanCommand& command);
int status_of(const Report& report);

// The report of a recording: what `orphan scan core:FILE` says. The error names the file.
Result<Report> scan_recording(const std::string& file, Session& session);

// Of the kernel that runs.
Result<std::string> boot_id(kernel::Source& source);

}  // namespace orphan::cli
