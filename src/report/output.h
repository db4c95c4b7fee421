// SPDX-License-Identifier: Apache-2.0
// Bringing a finished report to its place. A file is written whole or not at all: its text goes to a temporary file in the same
// directory, is synced, and then takes the name. Reports hold kernel addresses and contents of kernel memory: mode 0600.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace orphan {

// `path` is replaced when it is a regular file or a symbolic link to one (the link itself, so that a link planted in a shared
// directory leads nowhere). What is not a regular file (a FIFO, a terminal, /dev/full), and what is an open file of a process
// (/dev/stdout), is written to directly; a FIFO waits for its reader. An error names the path and what to do; nothing is left
// behind then.
Result<void> write_output(const std::string& path, std::string_view text);

// Before long work: would a report reach `path` (standard output when it is empty) as things are now? The same errors as
// write_output() has for a place that is not there or may not be written; room is not asked for.
Result<void> check_output(const std::string& path);

// All of `text`, or an error: a full disk or a reader that went away too. SIGPIPE is not raised.
Result<void> write_stdout(std::string_view text);

}  // namespace orphan
