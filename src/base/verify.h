// SPDX-License-Identifier: Apache-2.0
// VERIFY: a condition that only a bug of ours can break. It stays on in release builds; it is never applied to a target's bytes.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace orphan {

// Says which claim did not hold, and where, and ends the program. Also for the place after a switch that has a return in
// every case: `bug("no such kind")`.
[[noreturn]] inline void bug(const char* claim, std::source_location where = std::source_location::current()) {
  std::fprintf(stderr, "orphan: bug: %s:%u: %s\n", where.file_name(), where.line(), claim);
  std::abort();
}

}  // namespace orphan

#define VERIFY(condition)                                                              \
  do {                                                                                 \
    if (!(condition)) [[unlikely]]                                                     \
      ::orphan::bug("VERIFY(" #condition ") failed", std::source_location::current()); \
  } while (false)
