// SPDX-License-Identifier: Apache-2.0
// Reads a recording. open() reads the whole file once, checks every block, and keeps where each page stands, 32 bytes for each;
// contents are unpacked when they are asked for, and some blocks are kept.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "memory/memory.h"
#include "memory/recording_format.h"

namespace orphan {

class Recording {
 public:
  // BadData: damaged or cut short. Unsupported: not a recording, or one of another version. The text names the file, the place
  // in it, and what to do.
  static Result<Recording> open(const std::string& path);
  // The same of a file that is open; `path` is for the errors.
  static Result<Recording> read(Fd fd, std::string path);

  const std::string& path() const { return path_; }

  std::optional<u64> epoch(std::string_view name) const;
  u64 epochs() const { return epochs_.size(); }

  // The bytes at an address at a moment, within one page: as they were recorded last up to then; where nothing was, as they were
  // recorded first after that. NotMapped: they could not be read then, or never were.
  Result<void> read_page(u64 moment, Addr at, std::span<std::byte> out) const;

  // A text by its name, likewise; or the error with which it could not be read. NotFound: it is not in the recording.
  Result<std::string> text(u64 moment, std::string_view name) const;

  // The first damage that read_page() met in a block whose checksum was right: the file was made so.
  const Result<void>& status() const { return status_; }

 private:
  struct Block {
    u64 offset = 0;  // of what is stored
    u32 stored_bytes = 0;
    u32 plain_bytes = 0;
  };
  struct Piece {
    u64 page = 0;
    u64 moment = 0;
    u32 block = 0;   // of data_blocks_
    u32 offset = 0;  // in its plain bytes
    u16 first = 0;
    u16 size = 0;
  };
  struct Text {
    u64 moment = 0;
    u32 status = 0;
    std::vector<Block> blocks;
    u32 skip_bytes = 0;  // of each: its head and the name
  };
  struct Kept {
    u32 block = ~u32{0};
    u64 used = 0;
    std::vector<std::byte> bytes;
  };

  class Loader;

  Recording(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Result<std::vector<std::byte>> plain(const Block& block) const;
  Result<Bytes> data_block(u32 number) const;
  const Piece* find(u64 moment, Addr at, u64 size) const;
  Error damaged(u64 offset, std::string_view what) const;

  Fd fd_;
  std::string path_;
  std::map<std::string, u64, std::less<>> epochs_;
  std::vector<Block> data_blocks_;
  std::vector<Piece> pieces_;  // by page, then by moment
  std::map<std::string, std::vector<Text>, std::less<>> texts_;
  mutable std::vector<Kept> kept_;
  mutable u64 uses_ = 0;
  mutable Result<void> status_;
};

// The memory of a recording, call by call as it was read.
class RecordedMemory : public Memory {
 public:
  // `recording` must outlive this.
  explicit RecordedMemory(const Recording& recording) : recording_(recording) {}

  // NotFound: there is no such epoch; the one before goes on.
  Result<void> begin_epoch(std::string_view name);
  u64 moment() const { return recording::moment_of(epoch_, call_); }

  Result<void> read(Addr at, std::span<std::byte> out) const override;
  u64 bytes_read() const { return bytes_read_; }

 private:
  const Recording& recording_;
  u64 epoch_ = 0;
  mutable u64 call_ = 0;
  mutable u64 bytes_read_ = 0;
};

}  // namespace orphan
