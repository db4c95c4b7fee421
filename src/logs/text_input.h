// SPDX-License-Identifier: Apache-2.0
// The plain text of a file that may be compressed (gzip, zstd; told by its first bytes, not by its name), or of standard input,
// in pieces, and line by line: files may be larger than memory. What journalctl prints for programs becomes text (journal.h).
#pragma once
#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "logs/journal.h"

namespace orphan::logs {

class TextInput {
 public:
  // "-" is standard input. Errors name the path, and what to do.
  static Result<TextInput> open(const std::string& path);

  // The next piece, which is good until the next call; empty: the end. BadData: what is compressed is damaged or cut short;
  // what came before is good.
  Result<std::string_view> read();

 private:
  struct EndInflate {
    void operator()(z_stream* stream) const {
      inflateEnd(stream);
      delete stream;
    }
  };
  struct EndZstd {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };

  explicit TextInput(Fd fd) : fd_(std::move(fd)) {}
  Result<void> start();
  // More of the file behind what is left of raw_; false: there is no more.
  Result<bool> fill();
  Result<std::string_view> end() const;
  Result<std::string_view> read_plain();
  Result<std::string_view> read_journal();
  Result<std::string_view> read_gzip();
  Result<std::string_view> read_zstd();

  Fd fd_;
  std::vector<char> raw_, plain_;
  std::size_t raw_at_ = 0, raw_end_ = 0;
  bool is_inside_ = false;   // of a gzip member or a zstd frame
  bool is_full_ = false;     // plain_ was: there may be more without more of the file
  bool is_damaged_ = false;  // behind what was given last
  bool has_head_ = false;    // of the plain text; so it is known whether it is a journal
  std::optional<Journal> journal_;
  std::string lines_;  // of the journal
  std::unique_ptr<z_stream, EndInflate> gzip_;
  std::unique_ptr<ZSTD_DStream, EndZstd> zstd_;
};

// Lines out of pieces.
class LineReader {
 public:
  static constexpr std::size_t kMaxLine = 1 << 16;

  // `first` is what read() has given already, and not been called since.
  explicit LineReader(TextInput& input, std::string_view first = {}) : input_(input), piece_(first) {}

  // The next line, without its end, good until the next call; nothing: the end. What is longer than kMaxLine is cut there.
  Result<std::optional<std::string_view>> next();
  // Of the line that next() gave last, from 1 on.
  u64 number() const { return number_; }

 private:
  TextInput& input_;
  std::string_view piece_;
  std::string carried_;  // the begin of a line whose end is in a later piece
  u64 number_ = 0;
  bool has_ended_ = false;
};

}  // namespace orphan::logs
