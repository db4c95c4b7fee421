// SPDX-License-Identifier: Apache-2.0
// What processes use. Size, threads and open files of every process are looked at, which takes one small file each; those that
// are large or grow get series: RSS, threads, swap, open files, and PSS. A process is told from others by name, number and start.
//
// PSS is what costs: the kernel walks the page tables of the whole process for it. So it has a budget of CPU time, an average
// over samples, and the process whose PSS is the oldest comes first.
#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "watch/choice.h"
#include "watch/series.h"

namespace orphan::watch {

class Processes {
 public:
  // `proc`: the directory. `top`: how many of the largest are chosen. `pss_budget_ns`: a sample.
  Processes(std::string proc, std::size_t top, i64 pss_budget_ns);
  Result<void> sample(Sink& sink);

 private:
  struct Process {
    u64 key = 0;
    std::string directory;
    std::string name = {};  // "comm pid start"
    i64 rss_pages = 0, threads = 0;
    std::optional<i64> files = {};
  };
  Result<std::vector<Process>> look();
  bool is_chosen(const Process& process);
  void add_details(Sink& sink, const Process& process) const;
  void add_pss(Sink& sink, std::vector<const Process*> chosen);

  std::string proc_;
  std::size_t top_;
  i64 pss_budget_ns_, pss_credit_ns_ = 0;
  u32 sample_ = 0;
  i64 page_bytes_;
  bool has_file_counts_;  // the size of PID/fd is the number of files (6.2)
  Choice by_rss_, by_threads_, by_files_;
  std::unordered_map<u64, u32> pss_samples_;  // when a process had its last turn
  Fd directory_;
};

}  // namespace orphan::watch
