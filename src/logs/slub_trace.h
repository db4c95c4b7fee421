// SPDX-License-Identifier: Apache-2.0
// Follows a SLUB trace line by line, and knows what is still allocated at its end.
//
// A head allocates or frees an object, at once; the stack that comes for it later is put down to it then. So the order of the
// heads decides, which is that of what happened. Between a head and its stack, and inside of a stack, lines of other CPUs may
// stand. Where lines name who has printed them (CONFIG_PRINTK_CALLER) each of those is followed on its own. Where they do not,
// dump_stack() still keeps stacks whole, but the heads of several CPUs may come before the first stack: a stack belongs to the
// oldest head of its kind (the functions on it tell an allocation from a free), and where there was a choice, that is counted.
//
// Memory grows with what stays allocated and with different stacks, and not with the log.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "logs/slub_line.h"
#include "logs/slub_objects.h"
#include "logs/slub_record.h"
#include "logs/slub_stack.h"
#include "report/report.h"

namespace orphan::logs {

struct SlubCounts {
  u64 lines = 0;
  u64 allocs = 0, frees = 0;           // heads that could be read
  u64 matched = 0;                     // frees of what was seen to be allocated
  u64 frees_of_unknown = 0;            // of what was allocated before, or whose record is lost
  u64 allocs_of_allocated = 0;         // the free in between is lost
  u64 damaged = 0;                     // heads that could not be read
  u64 hidden = 0;                      // heads without an address
  u64 without_stack = 0;               // allocations whose stack is lost
  u64 unsure_stacks = 0;               // of allocations, that may be another CPU's
  u64 stacks_without_head = 0;         // of SLUB's
  u64 lost_messages = 0;               // that the log itself says are missing
  u64 boots = 0;                       // that ended inside of the log
  u64 stacks_left_out = 0;             // there were too many different ones
  bool has_callers = false;            // lines name who has printed them
  u64 cpus = 1;                        // that printed something, as far as that is known
  std::optional<double> seconds = {};  // from the first head to the last
};

// What stayed: allocations of one cache with one stack, of which cache, number, stack, times and comms are known. Ages are those
// at the last head.
struct SlubFindings {
  SlubCounts counts;
  std::vector<Leak> groups;
};

class SlubTrace {
 public:
  // `complain`: what could not be used, and in which line.
  using Complain = std::function<void(u64 line, std::string_view what)>;
  explicit SlubTrace(Complain complain) : complain_(std::move(complain)) {}
  SlubTrace(const SlubTrace&) = delete;
  SlubTrace& operator=(const SlubTrace&) = delete;

  // Any bytes. `number`: of the line in its file.
  void take(std::string_view line, u64 number);
  // A file has ended: what was begun in it has no end. What is allocated stays so in the next.
  void end_file();
  const SlubCounts& counts() const { return counts_; }

  // Once, at the end.
  SlubFindings finish();

 private:
  // A head whose stack has not come yet.
  struct Waiting {
    SlubKey key;
    u64 record = 0, line = 0;
    bool is_alloc = false;
  };
  struct Host {
    u32 id = 0;
    HostTimes times;
    double seconds_before = 0;    // of boots that have ended
    std::optional<u64> sequence;  // of /dev/kmsg
  };
  // Who prints: a task or a CPU, or, where that is not known, the machine.
  struct Printer {
    Host* host = nullptr;
    bool is_one = false;  // who prints one thing after the other
    std::deque<Waiting> waiting;
    std::size_t stacks_while_waiting = 0;
    bool is_in_stack = false;
    std::size_t before_stack = 0;  // of `waiting`: those that came before it
    bool is_of_free = false;       // there are some, and all of them freed
    u32 comm = 0;
    SlubStack stack;
  };

  Host& host_of(std::string_view name);
  Printer& printer_of(const SlubLine& line);
  void look_for_gap(Host& host, std::string_view prefix);
  void take_head(const SlubLine& line, Printer& printer);
  bool take_other(std::string_view message, Printer& printer);
  void take_frames(std::string_view message, Printer& printer);
  void begin_stack(Printer& printer);
  void end_stack(Printer& printer);
  void assign(Printer& printer, SlubStack::Kind kind);
  void give_up(const Waiting& waiting);
  void end_printers();
  void end_boot(Host& host);
  bool prints_one_by_one(const Printer& printer) const { return printer.is_one || counts_.cpus == 1; }
  Leak leak_of(const SlubObjects::Stayed& stayed) const;

  Complain complain_;
  SlubCounts counts_;
  u64 line_ = 0;
  SlubObjects objects_;
  SlubStacks stacks_;
  Names caches_{1 << 16}, comms_{1 << 16};
  std::map<std::string, Host, std::less<>> hosts_;
  std::unordered_map<u64, Printer> printers_;
  // That of the line before, most often that of the next, too.
  Host* last_host_ = nullptr;
  std::string last_host_name_;
  Printer* last_printer_ = nullptr;
  u64 last_printer_key_ = 0;
};

}  // namespace orphan::logs
