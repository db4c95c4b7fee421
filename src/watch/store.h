// SPDX-License-Identifier: Apache-2.0
// Writes samples to a file. Each is committed when it is complete. What cannot be written, since the disk is full, waits in
// memory up to a limit and is written with the next sample that can be; beyond the limit samples are lost, and counted.
//
// Samples of one boot make segments (segments.h). A writer that is started again goes on with the open segment of the same boot;
// after another boot a new one begins.
#pragma once
#include <string>
#include <vector>

#include "base/fd.h"
#include "store/sqlite.h"
#include "watch/coding.h"
#include "watch/segments.h"
#include "watch/series.h"
#include "watch/series_table.h"

namespace orphan::watch {

// Where samples come from.
struct Origin {
  std::string boot_id;  // of the kernel; or for what was imported, what it came from
  std::string host, release;
  i64 page_bytes = 4096;
};

struct StoreOptions {
  i64 segment_ms = i64{6} * 3600 * 1000;  // a segment is finished when it is longer
  u32 samples_a_commit = 1;
  u64 max_bytes = 0;  // of the file; 0: any
};

class Store : public Sink {
 public:
  // One writer at a time: another one is told that the file is in use.
  static Result<Store> open(const std::string& path, const Origin& origin, const StoreOptions& options);
  Store(Store&&) noexcept = default;
  Store& operator=(Store&&) = delete;

  // A sample: readings, then its end. Of two readings of the same series the first counts.
  void add(const Reading& reading) override;
  bool has(Kind kind, std::string_view name) const override { return series_.has(kind, name); }
  // An error: the sample waits, or if it is one too many, is lost. The next end() tries again.
  Result<void> end(const Stamp& stamp);

  // What follows was sampled in another boot.
  Result<void> begin_boot(const Origin& origin);
  // Writes what waits, where several samples make a commit.
  Result<void> flush();
  // Finishes the open segment, for nothing more comes.
  Result<void> finish();
  // Thins what is stored until the file is as small as it should be.
  Result<void> make_room(i64 now_ms);

  u64 lost() const { return lost_; }
  std::size_t waiting() const { return frames_.size(); }
  u64 series() const { return last_.size(); }
  // The file is as coarse as it can be, and still larger than it should be.
  bool is_too_large() const { return is_too_large_; }

  // Finished segments that were not exported yet, the oldest first.
  Result<std::vector<i64>> unexported();
  Result<void> mark_exported(i64 segment);
  Database& database() { return database_; }

 private:
  struct Frame {
    i64 segment = 0;
    Stamp stamp;
    std::vector<std::byte> row;
  };
  struct Boot {
    u32 id = 0;
    Origin origin;
    bool is_written = false, is_run_written = false;
  };

  Store(Fd lock, Database database, SeriesTable series, const StoreOptions& options)
      : lock_(std::move(lock)), database_(std::move(database)), series_(std::move(series)), options_(options) {}
  Result<void> resume(const Origin& origin);
  Result<void> resume_segment();
  Result<void> write_frames();
  Result<void> write_boot(const Stamp& first);
  bool is_segment_full(const Stamp& stamp) const;
  void begin_segment();

  Fd lock_;
  Database database_;
  SeriesTable series_;  // its statements go before the database
  StoreOptions options_;
  Boot boot_;
  // The open segment.
  i64 segment_ = 0;
  bool has_segment_row_ = false;
  u64 segment_samples_ = 0, segment_bytes_ = 0;
  i64 segment_start_ms_ = 0;  // since the boot
  Row row_, last_;            // the sample that is being taken, and the one before
  std::vector<Frame> frames_;
  u64 frame_bytes_ = 0;  // of those
  u64 lost_ = 0;
  bool is_too_large_ = false;
};

}  // namespace orphan::watch
