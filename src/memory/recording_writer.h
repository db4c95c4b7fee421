// SPDX-License-Identifier: Apache-2.0
// Writes a recording: what memory held, moment by moment, and texts. What is written goes to disk a megabyte at a time. A page
// that is as it was when it was recorded last is not written again; which those are is remembered for 8 GiB of memory, and
// of what is beyond some is written more often than it has to be.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/new_file.h"
#include "memory/recording_format.h"

struct ZSTD_CCtx_s;

namespace orphan {

class RecordingWriter {
 public:
  // The file appears under `path` by finish(), whole or not at all; see NewFile.
  static Result<std::unique_ptr<RecordingWriter>> create(const std::string& path);

  RecordingWriter(const RecordingWriter&) = delete;
  RecordingWriter& operator=(const RecordingWriter&) = delete;
  ~RecordingWriter();

  // The first epoch begins with this, before anything else. Each has a name of its own.
  void begin_epoch(std::string_view name);
  // The next call that reads memory begins.
  void begin_call() { ++call_; }
  // The bytes of a page from `first` on, or that they cannot be read, where `bytes` is empty.
  void add_page(u64 address, u64 first, Bytes bytes);
  // A text as it was read at this moment, or the error with which that failed.
  void add_text(std::string_view name, const Result<std::string>& text);

  // The first error of writing; nothing is written from then on.
  const Result<void>& status() const { return status_; }
  Result<void> finish();

  u64 written_bytes() const { return at_; }

 private:
  // What is known of the page that was last at this place of the table.
  struct Known {
    u64 page_plus_one = 0;
    u64 hash = 0;
  };
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };

  explicit RecordingWriter(NewFile file);
  bool is_known(u64 address, u64 first, Bytes bytes);
  void write_block(recording::BlockKind kind, Bytes plain);
  void write(Bytes bytes);
  void flush();
  u64 moment() const { return recording::moment_of(epoch_, call_); }

  NewFile file_;
  std::unique_ptr<ZSTD_CCtx_s, Free> zstd_;
  Result<void> status_;
  u64 at_ = 0;
  u64 epoch_ = 0, epochs_ = 0, call_ = 0;
  recording::EndEntry end_;
  std::vector<std::byte> data_, stored_;
  std::vector<recording::PageEntry> entries_;
  struct Unmap {
    void operator()(Known* table) const;
  };
  std::unique_ptr<Known[], Unmap> known_;
};

}  // namespace orphan
