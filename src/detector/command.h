// SPDX-License-Identifier: Apache-2.0
// The words that are written to the control file. Those of kmemleak are known by their beginning, in kmemleak's order, and what
// follows is ignored; its numbers are read as the kernel's kstrtoul() reads them, with base 0. Ours have to be exact, but for a
// newline at the end, so that what kmemleak refuses stays refused.
#pragma once
#include <expected>
#include <optional>
#include <string_view>

#include "base/types.h"

namespace orphan {

struct Command {
  enum class Kind : u8 {
    Clear,       // "clear"
    Off,         // "off"
    On,          // "on": ours
    StackOn,     // "stack=on"
    StackOff,    // "stack=off"
    ScanOn,      // "scan=on"
    ScanOff,     // "scan=off"
    ScanPeriod,  // "scan=<seconds>", see scan_period_ms()
    Scan,        // "scan"
    Dump,        // "dump=<address>"
    Status,      // "status": ours
    Age,         // "age=<seconds>": ours, the least age of a leak
    Why,         // "why=<address>": ours
    Forget,      // "forget": ours, undoes "clear"
  };

  Kind kind = Kind::Scan;
  u64 number = 0;  // of those that take one

  bool operator==(const Command&) const = default;
};

// Of what is written no more than this counts for kmemleak's words; ours are refused when there is more.
inline constexpr std::size_t kCommandBytes = 63;

// The command in `text`, up to a NUL byte where there is one; or a positive errno: EINVAL for what is no command or has no number
// where it needs one, ERANGE for a number that is too large.
[[nodiscard]] std::expected<Command, int> parse_command(std::string_view text);

// Whether it may be used while the detector is off. All else, also what is no command, is then EPERM.
bool is_allowed_when_off(Command::Kind kind);

// kmemleak's rule for "scan=<seconds>": no more than fits an unsigned int. Nothing: automatic scans stop, and the period stays
// what it was.
std::optional<u32> scan_period_ms(u64 seconds);

}  // namespace orphan
