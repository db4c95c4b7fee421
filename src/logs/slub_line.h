// SPDX-License-Identifier: Apache-2.0
// A line of a kernel's log taken apart, fast: a trace of a busy cache is gigabytes of them. What stands before the message is
// only told from it, not read; most lines are never asked when they were printed. It is done by hand, from the left, with memchr
// where a character is looked for: a regular expression reads the same prefixes at a tenth of the speed.
//
//     <6>[ 1234.567890][  T812] message                            console, dmesg -r, with CONFIG_PRINTK_CALLER
//     6,1234,567890123,-,caller=T812;message                       /dev/kmsg
//     kern  :info  : [Fri Nov 27 06:49:44 2026] message            dmesg -x -T
//     Nov 27 06:49:44 host kernel: [ 1234.567890] message          syslog
//     2026-11-27T06:49:44.123456+00:00 host kernel: message        syslog, journalctl -o short-iso-precise
//     [ 1234.567890] host kernel: message                          journalctl -o short-monotonic
#pragma once
#include <optional>
#include <string_view>

#include "base/types.h"

namespace orphan::logs {

struct SlubLine {
  std::string_view message = {};  // with its indentation
  std::string_view prefix = {};   // what stood before it
  std::string_view host = {};     // empty: none is named
  u64 caller = 0;                 // different ones for different tasks and CPUs; 0: not known
};

// Any bytes are some line; views are into `line`.
SlubLine split_slub_line(std::string_view line);

// When the line was printed: seconds of the kernel's own clock, or else since 1970, where a year is named; only differences mean
// something. Nothing: the prefix does not say it.
std::optional<double> seconds_of_prefix(std::string_view prefix);

// The number of a line of /dev/kmsg: those that are missing in between were lost.
std::optional<u64> sequence_of_prefix(std::string_view prefix);

}  // namespace orphan::logs
