// SPDX-License-Identifier: Apache-2.0
#include "serve/log.h"

#include <fmt/format.h>

#include <ctime>

namespace orphan::serve {
namespace {

std::string time_since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return fmt::format("[{:5}.{:06}] ", now.tv_sec, now.tv_nsec / 1000);
}

}  // namespace

void Log::add(std::string_view text, std::string_view prefix, bool is_printed) {
  std::string time = time_since_boot();
  std::scoped_lock lock(mutex_);
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (is_printed) fmt::print(stderr, "{}{}\n", prefix, line);
    lines_.push_back(fmt::format("{}{}{}\n", time, prefix, line));
    bytes_ += lines_.back().size();
  }
  while (bytes_ > kMostBytes) {
    bytes_ -= lines_.front().size();
    lines_.pop_front();
  }
}

std::string Log::text() const {
  std::scoped_lock lock(mutex_);
  std::string all;
  all.reserve(bytes_);
  for (const std::string& line : lines_) all += line;
  return all;
}

}  // namespace orphan::serve
