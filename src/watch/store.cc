// SPDX-License-Identifier: Apache-2.0
#include "watch/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/new_file.h"
#include "watch/schema.h"

namespace orphan::watch {
namespace {

// A segment that has more is finished even if it is young: its columns are to fit into little memory.
constexpr u64 kMostSamples = 1024;
constexpr u64 kMostSegmentBytes = u64{1} << 20;
constexpr u64 kMostWaitingBytes = u64{4} << 20;
// Halvings after one sample. What is still too much then is dealt with after the next.
constexpr int kMostThinning = 32;

Result<Fd> lock_for(const std::string& path) {
  std::string directory = directory_of(path);
  directory.pop_back();
  if (!directory.empty()) TRY(make_directory(directory));
  std::string name = path + "-lock";
  Fd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.value() < 0) return file_error(errno).in("cannot open the lock " + name);
  if (::flock(fd.value(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return file_error(errno).in("cannot lock " + name);
  return Error(ErrorCode::Io, path + " is written by another orphan watch; stop that one, or name another file with --store");
}

}  // namespace

Result<Store> Store::open(const std::string& path, const Origin& origin, const StoreOptions& options) {
  Fd lock = TRY(lock_for(path));
  Database database = TRY(open_for_writing(path));
  SeriesTable series = TRY(SeriesTable::open(database));
  Store store(std::move(lock), std::move(database), std::move(series), options);
  auto resumed = store.resume(origin);
  if (!resumed) return std::move(resumed).error().in("cannot go on with " + path);
  return store;
}

Result<void> Store::resume(const Origin& origin) {
  boot_ = {.origin = origin};
  i64 last_boot = TRY(database_.ask("SELECT coalesce(max(id), 0) FROM boots"));
  Statement boot = TRY(database_.prepare("SELECT boot_id FROM boots WHERE id = ?"));
  TRY(boot.bind(1, last_boot));
  bool is_same = TRY(boot.step()) && boot.text(0) == origin.boot_id;
  TRY(boot.reset());
  boot_.id = static_cast<u32>(last_boot) + (is_same ? 0 : 1);
  boot_.is_written = is_same;
  series_.set_boot(boot_.id);
  segment_ = TRY(database_.ask("SELECT coalesce(max(id), 0) FROM segments"));
  bool is_open =
      TRY(database_.ask("SELECT count(*) FROM segments WHERE columns IS NULL AND id = " + std::to_string(segment_))) != 0;
  if (is_open && is_same) return resume_segment();
  if (is_open) TRY(finish_segment(database_, segment_));
  begin_segment();
  return {};
}

Result<void> Store::resume_segment() {
  Statement frames = TRY(database_.prepare("SELECT boot_ms, row FROM frames WHERE segment = ? ORDER BY id"));
  TRY(frames.bind(1, segment_));
  while (TRY(frames.step())) {
    if (segment_samples_++ == 0) segment_start_ms_ = frames.integer(0);
    last_ = TRY(decode_frame(last_, frames.bytes(1)));
    segment_bytes_ += frames.bytes(1).size();
  }
  has_segment_row_ = true;
  return series_.recall(last_);
}

void Store::begin_segment() {
  ++segment_;
  has_segment_row_ = false;
  segment_samples_ = segment_bytes_ = 0;
  last_.clear();
}

void Store::add(const Reading& reading) {
  auto id = series_.number_of(reading);
  // The file cannot be read: this series is not in this sample.
  if (id) row_.push_back({.id = *id, .value = reading.value});
}

bool Store::is_segment_full(const Stamp& stamp) const {
  return segment_samples_ != 0 && (segment_samples_ >= kMostSamples || segment_bytes_ >= kMostSegmentBytes ||
                                   stamp.boot_ms - segment_start_ms_ >= options_.segment_ms);
}

Result<void> Store::end(const Stamp& stamp) {
  Row row = std::exchange(row_, {});
  std::ranges::stable_sort(row, {}, &Cell::id);
  auto twice = std::ranges::unique(row, {}, &Cell::id);
  row.erase(twice.begin(), twice.end());
  series_.end_sample();
  Result<void> finished;
  // Where that fails, since the disk is full, the segment gets longer.
  if (is_segment_full(stamp) && frame_bytes_ < kMostWaitingBytes) finished = finish();
  if (frame_bytes_ >= kMostWaitingBytes) {
    // Is there room again?
    auto flushed = flush();
    if (!flushed) {
      ++lost_;
      return flushed;
    }
  }
  if (segment_samples_++ == 0) segment_start_ms_ = stamp.boot_ms;
  frames_.push_back({segment_, stamp, encode_frame(last_, row)});
  u64 bytes = frames_.back().row.size();
  frame_bytes_ += bytes;
  segment_bytes_ += bytes;
  last_ = std::move(row);
  if (frames_.size() >= options_.samples_a_commit) TRY(flush());
  return finished;
}

Result<void> Store::flush() {
  if (frames_.empty()) return {};
  Transaction transaction = TRY(Transaction::begin(database_));
  TRY(series_.write(database_));
  TRY(write_boot(frames_.front().stamp));
  TRY(write_frames());
  TRY(transaction.commit());
  series_.written();
  boot_.is_written = boot_.is_run_written = has_segment_row_ = true;
  frames_.clear();
  frame_bytes_ = 0;
  return {};
}

Result<void> Store::write_boot(const Stamp& first) {
  if (!boot_.is_written) {
    Statement boot = TRY(database_.prepare("INSERT INTO boots VALUES (?, ?, ?, ?, ?)"));
    TRY(boot.bind(1, i64{boot_.id}));
    TRY(boot.bind(2, boot_.origin.boot_id));
    TRY(boot.bind(3, boot_.origin.host));
    TRY(boot.bind(4, boot_.origin.release));
    TRY(boot.bind(5, boot_.origin.page_bytes));
    TRY(boot.run());
  }
  if (!boot_.is_run_written) {
    Statement run = TRY(database_.prepare("INSERT INTO runs (boot, wall_ms, boot_ms) VALUES (?, ?, ?)"));
    TRY(run.bind(1, i64{boot_.id}));
    TRY(run.bind(2, first.wall_ms));
    TRY(run.bind(3, first.boot_ms));
    TRY(run.run());
  }
  return {};
}

Result<void> Store::write_frames() {
  if (!has_segment_row_) {
    Statement segment = TRY(database_.prepare("INSERT INTO segments VALUES (?, ?, 0, 0, 0, 0, NULL, NULL)"));
    TRY(segment.bind(1, segment_));
    TRY(segment.bind(2, i64{boot_.id}));
    TRY(segment.run());
  }
  Statement insert =
      TRY(database_.prepare("INSERT INTO frames (segment, wall_ms, boot_ms, awake_ms, row) VALUES (?, ?, ?, ?, ?)"));
  for (const Frame& frame : frames_) {
    TRY(insert.bind(1, frame.segment));
    TRY(insert.bind(2, frame.stamp.wall_ms));
    TRY(insert.bind(3, frame.stamp.boot_ms));
    TRY(insert.bind(4, frame.stamp.awake_ms));
    TRY(insert.bind(5, frame.row));
    TRY(insert.run());
  }
  return {};
}

Result<void> Store::finish() {
  TRY(flush());
  if (segment_samples_ == 0) return {};
  TRY(finish_segment(database_, segment_));
  begin_segment();
  return {};
}

Result<void> Store::begin_boot(const Origin& origin) {
  TRY(finish());
  // The one before may have had no sample.
  if (boot_.is_written) ++boot_.id;
  boot_ = {.id = boot_.id, .origin = origin};
  series_.set_boot(boot_.id);
  return {};
}

Result<void> Store::make_room(i64 now_ms) {
  if (options_.max_bytes == 0) return {};
  is_too_large_ = false;
  for (int i = 0; i < kMostThinning && TRY(used_bytes(database_)) > options_.max_bytes; ++i) {
    is_too_large_ = !TRY(thin_once(database_, now_ms));
    if (is_too_large_) break;
  }
  return {};
}

Result<std::vector<i64>> Store::unexported() {
  Statement rows = TRY(database_.prepare("SELECT id FROM segments WHERE columns IS NOT NULL AND NOT is_exported ORDER BY id"));
  std::vector<i64> ids;
  while (TRY(rows.step())) ids.push_back(rows.integer(0));
  return ids;
}

Result<void> Store::mark_exported(i64 segment) {
  Statement mark = TRY(database_.prepare("UPDATE segments SET is_exported = 1 WHERE id = ?"));
  TRY(mark.bind(1, segment));
  return mark.run();
}

}  // namespace orphan::watch
