// SPDX-License-Identifier: Apache-2.0
// One line on standard error that says what is being done, for as long as it is being done. Only on a terminal: in a pipe or a
// log file nothing is written.
#pragma once
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace orphan {

class Progress {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Progress(int fd = STDERR_FILENO, std::function<Time()> now = std::chrono::steady_clock::now);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  // Shows "pass 2 of 5: reading the memory map", with `fraction` (0 to 1) as a percentage behind it. Cheap enough to be called
  // often: the line is drawn at most ten times in a second. A new text comes at once, a new fraction after a tenth of a second.
  void step(std::string_view text, std::optional<double> fraction = std::nullopt);

  // Empties the line, so that something else can be printed; the next step() draws it again.
  void clear();

 private:
  static constexpr std::size_t kDrawsPerSecond = 10;

  void draw(std::optional<double> fraction) const;

  int fd_;
  bool is_terminal_;
  bool is_drawn_ = false;
  std::function<Time()> now_;
  std::string text_;
  std::array<std::optional<Time>, kDrawsPerSecond> draws_;  // a ring of the last ones; `next_` is the oldest
  std::size_t next_ = 0;
};

}  // namespace orphan
