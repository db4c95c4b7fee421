// SPDX-License-Identifier: Apache-2.0
// How samples become few bytes. A number is stored as its difference to the one before it in its series, zigzag and as a varint,
// and a run of differences that are zero as its length: most of what is sampled does not change from one sample to the next.
//
// A *frame* is one sample, against the one before; frames are written one by one as samples are taken. A *column* is one series
// over all samples of a segment; a segment that is finished is kept as columns, since neighbours in a series are more alike than
// neighbours in a sample. docs/watch.md has both formats.
#pragma once
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "watch/series.h"

namespace orphan::watch {

class ByteWriter {
 public:
  void varint(u64 value);
  void zigzag(i64 value);
  void append(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// BadData where the bytes end too early, or a number does not fit.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : rest_(bytes) {}
  Result<u64> varint();
  Result<i64> zigzag();
  Result<Bytes> take(u64 size);
  std::size_t left() const { return rest_.size(); }

 private:
  Bytes rest_;
};

// One number of a sample.
struct Cell {
  u32 id = 0;  // of its series
  i64 value = 0;

  bool operator==(const Cell&) const = default;
};
using Row = std::vector<Cell>;  // in ascending order of ids, each once

std::vector<std::byte> encode_frame(const Row& before, const Row& now);
// From the row before a frame to that of the frame.
Result<Row> decode_frame(const Row& before, Bytes frame);

// Of one series, in the samples that have it.
struct Column {
  std::vector<u32> at;  // ascending: the numbers of samples, from 0 on
  std::vector<i64> values;

  bool operator==(const Column&) const = default;
};

// Takes a column number by number.
class ColumnEncoder {
 public:
  void put(u32 at, i64 value);
  void finish(u32 id, u32 id_before, ByteWriter& to);

 private:
  ByteWriter presence_, values_;
  u64 runs_ = 0, run_start_ = 0, run_end_ = 0, last_run_end_ = 0;
  u64 zeros_ = 0;
  i64 last_ = 0;
};

// One column after the other. Those that nobody wants are skipped without a look.
class ColumnReader {
 public:
  ColumnReader(Bytes bytes, u32 samples) : reader_(bytes), samples_(samples) {}
  bool at_end() const { return reader_.left() == 0; }
  // The id of the next column.
  Result<u32> next();
  // The column itself; once after each next(), or not at all.
  Result<Column> read() const;

 private:
  ByteReader reader_;
  u32 samples_;
  u32 id_ = 0;
  Bytes column_;
};

std::vector<std::byte> encode_stamps(std::span<const Stamp> stamps);
Result<std::vector<Stamp>> decode_stamps(Bytes bytes);

// zstd.
std::vector<std::byte> compress(Bytes bytes);
Result<std::vector<std::byte>> decompress(Bytes bytes);

}  // namespace orphan::watch
