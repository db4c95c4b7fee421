// SPDX-License-Identifier: Apache-2.0
// A line of a kernel's log or of a text that somebody has pasted, without what stands before the message: the quotes of mails
// ("> "), the entities of web pages, console colours, and the prefixes of printk, dmesg, /dev/kmsg, syslog and journalctl:
//
//     <4>[ 1234.567890][  T812] kmemleak: message
//     4,1234,567890123,-;kmemleak: message
//     kern  :warn  : [Fri Nov 27 06:49:44 2026] kmemleak: message
//     Nov 27 06:49:44 host kernel: [ 1234.567890] kmemleak: message
//     2026-11-27T06:49:44.123456+00:00 host kernel: kmemleak: message
//
// No library reads these, since nobody has ever defined them: they are what programs happen to print. Each is told by hand, from
// the left, until none fits.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace orphan::logs {

struct LogLine {
  std::string_view text = {};  // the message with its indentation, as far as that has survived; no blanks at its end
  std::string_view host = {};  // as syslog or the journal names it; empty: it does not
  bool is_log = false;         // it had the prefix of a log
  bool is_kernel = true;       // false: a log's line of another program
  bool has_tag = false;        // "kmemleak: "
};

// The views are into `line` or `scratch`, where a line is put that has to be changed.
LogLine read_log_line(std::string_view line, std::string& scratch);

// Of single texts, for the readers of reports: what follows `word` at the start of `text`, which is advanced; false: it does not
// start so.
bool skip(std::string_view& text, std::string_view word);
void skip_blanks(std::string_view& text);
// A number at the start of `text`, which is advanced; digits only, no sign. False: there is none, or it is too large.
bool take_number(std::string_view& text, u64& number, int base = 10);
// Of the two hexadecimal digits at the start of `text`.
std::optional<std::byte> hex_byte(std::string_view text);

}  // namespace orphan::logs
