// SPDX-License-Identifier: Apache-2.0
// Hands the files of a spool directory to a command, one after the other, the oldest first, beside whatever else the program
// does. A file is removed when the command ended with status 0, and kept otherwise; then it is tried again later, and later each
// time.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/types.h"
#include "watch/shell_command.h"

namespace orphan::watch {

struct UploadOptions {
  std::string directory;
  std::string command;  // for a shell; {} stands for the file, which else is put behind
  double first_retry_s = 10;
};

class Uploads {
 public:
  using Notice = std::function<void(const std::string&)>;

  // Usage: the directory's name would mean something to a shell.
  static Result<Uploads> create(UploadOptions options, Notice notice);
  // A command that still runs at the end is ended. Its file stays.

  // Looks after the command, and starts the next; to be called now and then. `now_ms` of a clock that is never set.
  void poll(i64 now_ms);
  // There may be another file.
  void wake() { is_idle_ = false; }
  bool is_running() const { return command_.is_running(); }
  // Nothing is left to be uploaded, as far as was looked.
  bool is_idle() const { return is_idle_; }

 private:
  Uploads(UploadOptions options, Notice notice);
  std::optional<std::string> oldest() const;
  void start(const std::string& name, i64 now_ms);
  void ended(const Result<void>& done, i64 now_ms);
  void failed(const std::string& why, i64 now_ms);

  UploadOptions options_;
  Notice notice_;
  ShellCommand command_;
  std::string name_;  // what it uploads
  i64 started_ms_ = 0, next_ms_ = 0;
  i64 retry_ms_;
  bool is_idle_ = false;
  bool has_failed_ = false;
};

}  // namespace orphan::watch
