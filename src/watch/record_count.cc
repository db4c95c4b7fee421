// SPDX-License-Identifier: Apache-2.0
#include "watch/record_count.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "watch/line_reader.h"

namespace orphan::watch {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(200);

Result<i64> count_records(const std::string& path) {
  LineReader reader = TRY(LineReader::open(path));
  i64 count = 0;
  for (;;) {
    std::optional<std::string_view> line = TRY(reader.next());
    if (!line) return count;
    // "unreferenced object 0x…", or "unreferenced percpu object" of 6.14.
    if (line->starts_with("unreferenced ")) ++count;
  }
}

}  // namespace

struct RecordCount::Shared {
  explicit Shared(std::string name) : path(std::move(name)) {}
  const std::string path;
  std::mutex mutex;
  std::condition_variable changed;
  bool is_reading = false;
  std::optional<Result<i64>> answer;
};

RecordCount::RecordCount(std::string path) : shared_(std::make_shared<Shared>(std::move(path))) {}

Result<std::optional<i64>> RecordCount::ask() {
  // What is not there, or may not be read, is told by open(2) at once, without a thread.
  if (::access(shared_->path.c_str(), R_OK) != 0) return system_error(shared_->path, errno);
  std::unique_lock lock(shared_->mutex);
  if (!shared_->is_reading && !shared_->answer) {
    shared_->is_reading = true;
    std::thread([shared = shared_] {
      Result<i64> answer = count_records(shared->path);
      std::lock_guard guard(shared->mutex);
      shared->answer = std::move(answer);
      shared->is_reading = false;
      shared->changed.notify_all();
    }).detach();
  }
  shared_->changed.wait_for(lock, kPatience, [this] { return shared_->answer.has_value(); });
  if (!shared_->answer) return std::optional<i64>();
  Result<i64> answer = *std::exchange(shared_->answer, std::nullopt);
  return std::optional<i64>(TRY(std::move(answer)));
}

}  // namespace orphan::watch
