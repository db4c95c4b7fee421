// SPDX-License-Identifier: Apache-2.0
// Reads what monitor scripts leave: lines of date(1), then the contents of /proc/meminfo, slabinfo and others, what ps(1) prints,
// and separators, again and again for days. Every line is known by its form, so that it does not matter which commands a script
// runs, and in which order. A date begins a sample. What is not understood is told with file and line, and left out.
//
// Where the log has /proc/uptime, it tells when the machine was booted again; else a date that goes back does.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "watch/kernel_texts.h"
#include "watch/process_table.h"
#include "watch/reading_list.h"
#include "watch/store.h"

namespace orphan::watch {

class LogImport {
 public:
  using Notice = std::function<void(const std::string&)>;

  LogImport(Store& store, Notice notice) : store_(store), notice_(std::move(notice)) {}

  // Files in the order of their times; a sample may begin in one and end in the next.
  Result<void> read(const std::string& path);
  // After the last one.
  Result<void> finish();

  u64 samples() const { return samples_; }
  u64 junk() const { return junk_; }

 private:
  struct Line {
    const std::string& path;
    u64 number = 0;
    std::string_view text;
  };

  Result<void> take(const Line& line);
  bool take_kernel_text(const Line& line);
  bool take_process(const Line& line);
  bool take_uptime(std::string_view text);
  void take_caller(const VmallocLine& line);
  void add_process(const ProcessTable::Process& process);
  void complain(const Line& line, std::string_view why);
  bool has_time(const Line& line);
  Result<void> begin_sample(i64 wall_ms);
  Result<void> end_sample();
  bool is_another_boot() const;
  Stamp stamp();
  void add_sums();

  struct Sums {
    struct Caller {
      i64 areas = 0, pages = 0;
    };
    std::map<std::string, Caller> callers;
    i64 processes = 0, rss_kb = 0;
  };

  Store& store_;
  Notice notice_;
  std::optional<SlabVersion> slabs_;  // a table of caches is being read
  std::optional<ProcessTable> processes_;
  // The sample.
  std::optional<i64> wall_ms_, uptime_ms_;
  bool is_without_date_ = false, is_repeated_ = false;
  ReadingList readings_;
  Sums sums_;
  // The one before it in the same boot.
  std::optional<Stamp> last_;
  bool knows_uptime_ = false;
  u64 boots_ = 0, samples_ = 0, junk_ = 0;
  std::set<std::string> zones_;  // that were complained about
};

// The first time that a log has, in milliseconds. BadData: it has none.
Result<i64> first_date(const std::string& path);

}  // namespace orphan::watch
