// SPDX-License-Identifier: Apache-2.0
#include "watch/alarms.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace orphan::watch {
namespace {

constexpr i64 kLongestRetryMs = i64{600} * 1000;
// A command that takes longer hangs.
constexpr i64 kLongestRunMs = i64{60} * 1000;

}  // namespace

Alarms::Alarms(std::string command, double first_retry_s, Notice notice)
    : text_(std::move(command)),
      notice_(std::move(notice)),
      first_retry_ms_(static_cast<i64>(first_retry_s * 1000)),
      retry_ms_(first_retry_ms_) {}

void Alarms::add(std::string text) {
  waiting_.push_back(std::move(text));
  if (waiting_.size() <= kMostWaiting) return;
  // The first may be what the command is taking just now.
  waiting_.erase(waiting_.begin() + (is_running() ? 1 : 0));
  ++lost_;
}

void Alarms::poll(i64 now_ms) {
  if (auto done = command_.poll()) {
    if (*done) {
      waiting_.pop_front();
      retry_ms_ = first_retry_ms_;
      if (std::exchange(has_failed_, false))
        notice_(lost_ == 0 ? "alarm: the command works again, and no alarm is lost"
                           : fmt::format("alarm: the command works again; {} alarms are lost", std::exchange(lost_, 0)));
    } else {
      failed(done->error().text(), now_ms);
    }
  } else if (is_running() && now_ms - started_ms_ > kLongestRunMs) {
    command_.end();
    failed("it took more than a minute", now_ms);
  }
  if (is_running() || waiting_.empty() || now_ms < next_ms_) return;
  started_ms_ = now_ms;
  auto started = command_.start(text_, waiting_.front());
  if (!started) failed(started.error().text(), now_ms);
}

void Alarms::failed(const std::string& why, i64 now_ms) {
  if (!std::exchange(has_failed_, true)) {
    notice_(fmt::format("alarm: the command failed ({}): it is tried again, in {} s for the first time", why,
                        static_cast<double>(retry_ms_) / 1000));
  }
  next_ms_ = now_ms + retry_ms_;
  retry_ms_ = std::min(2 * retry_ms_, kLongestRetryMs);
}

}  // namespace orphan::watch
