// SPDX-License-Identifier: Apache-2.0
#include "watch/coding.h"

#include <zstd.h>

#include <algorithm>
#include <limits>
#include <memory>

namespace orphan::watch {
namespace {

constexpr int kLevel = 3;
// Far above what a segment has; what claims more was not written by us.
constexpr u64 kMostBytes = u64{256} << 20;

Error damaged(std::string_view what) {
  return {ErrorCode::BadData, "stored samples are damaged: " + std::string(what)};
}

// Differences may leave the range of what they are differences of: they wrap, and come back when they are added.
i64 minus(i64 a, i64 b) {
  return static_cast<i64>(static_cast<u64>(a) - static_cast<u64>(b));
}
i64 plus(i64 a, i64 b) {
  return static_cast<i64>(static_cast<u64>(a) + static_cast<u64>(b));
}

// A zero is never written as such: it begins a run.
void put_zeros(ByteWriter& to, u64& zeros) {
  if (zeros == 0) return;
  to.varint(0);
  to.varint(zeros);
  zeros = 0;
}

void put_delta(ByteWriter& to, u64& zeros, i64 delta) {
  if (delta == 0) {
    ++zeros;
    return;
  }
  put_zeros(to, zeros);
  to.zigzag(delta);
}

class Deltas {
 public:
  explicit Deltas(ByteReader& from) : from_(from) {}
  Result<i64> next() {
    if (zeros_ == 0) {
      i64 delta = TRY(from_.zigzag());
      if (delta != 0) return delta;
      zeros_ = TRY(from_.varint());
      if (zeros_ == 0) return damaged("a run of nothing");
    }
    --zeros_;
    return i64{0};
  }

 private:
  ByteReader& from_;
  u64 zeros_ = 0;
};

void put_ids(ByteWriter& to, const std::vector<u32>& ids) {
  to.varint(ids.size());
  u32 before = 0;
  for (u32 id : ids) {
    to.varint(id - before);
    before = id;
  }
}

Result<std::vector<u32>> take_ids(ByteReader& from) {
  u64 count = TRY(from.varint());
  if (count > from.left()) return damaged("more series than bytes");
  std::vector<u32> ids;
  ids.reserve(count);
  u64 id = 0;
  for (u64 i = 0; i < count; ++i) {
    u64 step = TRY(from.varint());
    if ((i != 0 && step == 0) || step > std::numeric_limits<u32>::max()) return damaged("series out of order");
    id += step;
    if (id > std::numeric_limits<u32>::max()) return damaged("a number of a series");
    ids.push_back(static_cast<u32>(id));
  }
  return ids;
}

}  // namespace

std::optional<Kind> kind_of(std::string_view word) {
  const auto* found = std::ranges::find(kKindWords, word);
  if (found == kKindWords.end()) return std::nullopt;
  return static_cast<Kind>(found - kKindWords.begin());
}

std::optional<Unit> unit_of(std::string_view word) {
  const auto* found = std::ranges::find(kUnitWords, word);
  if (found == kUnitWords.end()) return std::nullopt;
  return static_cast<Unit>(found - kUnitWords.begin());
}

void ByteWriter::varint(u64 value) {
  for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<std::byte>(value | 0x80));
  bytes_.push_back(static_cast<std::byte>(value));
}

void ByteWriter::zigzag(i64 value) {
  varint((static_cast<u64>(value) << 1) ^ static_cast<u64>(value >> 63));
}

Result<u64> ByteReader::varint() {
  u64 value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return damaged("they end in the middle of a number");
    auto byte = static_cast<u64>(rest_.front());
    rest_ = rest_.subspan(1);
    if (shift == 63 && byte > 1) return damaged("a number is too large");
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return damaged("a number is too long");
}

Result<i64> ByteReader::zigzag() {
  u64 value = TRY(varint());
  return static_cast<i64>((value >> 1) ^ (0 - (value & 1)));
}

Result<Bytes> ByteReader::take(u64 size) {
  if (size > rest_.size()) return damaged("they end too early");
  Bytes part = rest_.first(size);
  rest_ = rest_.subspan(size);
  return part;
}

std::vector<std::byte> encode_frame(const Row& before, const Row& now) {
  std::vector<u32> gone, added;
  auto old = before.begin();
  ByteWriter values;
  u64 zeros = 0;
  for (const Cell& cell : now) {
    for (; old != before.end() && old->id < cell.id; ++old) gone.push_back(old->id);
    bool is_old = old != before.end() && old->id == cell.id;
    if (!is_old) added.push_back(cell.id);
    put_delta(values, zeros, minus(cell.value, is_old ? old->value : 0));
    if (is_old) ++old;
  }
  for (; old != before.end(); ++old) gone.push_back(old->id);
  put_zeros(values, zeros);
  ByteWriter frame;
  put_ids(frame, gone);
  put_ids(frame, added);
  frame.append(values.bytes());
  return frame.bytes();
}

Result<Row> decode_frame(const Row& before, Bytes frame) {
  ByteReader reader(frame);
  std::vector<u32> gone = TRY(take_ids(reader));
  std::vector<u32> added = TRY(take_ids(reader));
  Row now;
  now.reserve(before.size() + added.size());
  auto lost = gone.begin();
  for (const Cell& cell : before) {
    if (lost != gone.end() && *lost == cell.id) {
      ++lost;
    } else {
      now.push_back(cell);
    }
  }
  if (lost != gone.end()) return damaged("a series ends that never was");
  auto middle = static_cast<std::ptrdiff_t>(now.size());
  for (u32 id : added) now.push_back({.id = id, .value = 0});
  std::ranges::inplace_merge(now, now.begin() + middle, {}, &Cell::id);
  if (std::ranges::adjacent_find(now, {}, &Cell::id) != now.end()) return damaged("a series begins twice");
  Deltas deltas(reader);
  for (Cell& cell : now) cell.value = plus(cell.value, TRY(deltas.next()));
  if (reader.left() != 0) return damaged("something stands behind a frame");
  return now;
}

void ColumnEncoder::put(u32 at, i64 value) {
  if (runs_ != 0 && at == run_end_) {
    ++run_end_;
  } else {
    if (runs_ != 0) {
      presence_.varint(run_start_ - last_run_end_);
      presence_.varint(run_end_ - run_start_);
      last_run_end_ = run_end_;
    }
    ++runs_;
    run_start_ = at;
    run_end_ = u64{at} + 1;
  }
  put_delta(values_, zeros_, minus(value, last_));
  last_ = value;
}

void ColumnEncoder::finish(u32 id, u32 id_before, ByteWriter& to) {
  if (runs_ == 0) return;
  presence_.varint(run_start_ - last_run_end_);
  presence_.varint(run_end_ - run_start_);
  put_zeros(values_, zeros_);
  ByteWriter runs;
  runs.varint(runs_);
  to.varint(id - id_before);
  to.varint(runs.bytes().size() + presence_.bytes().size() + values_.bytes().size());
  to.append(runs.bytes());
  to.append(presence_.bytes());
  to.append(values_.bytes());
}

Result<u32> ColumnReader::next() {
  u64 id = id_ + TRY(reader_.varint());
  if (id <= id_ || id > std::numeric_limits<u32>::max()) return damaged("columns out of order");
  id_ = static_cast<u32>(id);
  u64 size = TRY(reader_.varint());
  column_ = TRY(reader_.take(size));
  return id_;
}

Result<Column> ColumnReader::read() const {
  ByteReader reader(column_);
  Column column;
  u64 runs = TRY(reader.varint());
  if (runs > reader.left()) return damaged("more runs than bytes");
  u64 at = 0;
  for (u64 i = 0; i < runs; ++i) {
    u64 skipped = TRY(reader.varint());
    u64 length = TRY(reader.varint());
    if (skipped > samples_ || length > samples_ || at + skipped + length > samples_) return damaged("a column is too long");
    at += skipped;
    for (; length != 0; --length) column.at.push_back(static_cast<u32>(at++));
  }
  column.values.reserve(column.at.size());
  Deltas deltas(reader);
  i64 value = 0;
  for (std::size_t i = 0; i < column.at.size(); ++i) {
    value = plus(value, TRY(deltas.next()));
    column.values.push_back(value);
  }
  return column;
}

std::vector<std::byte> encode_stamps(std::span<const Stamp> stamps) {
  ByteWriter writer;
  writer.varint(stamps.size());
  for (i64 Stamp::* clock : {&Stamp::wall_ms, &Stamp::boot_ms, &Stamp::awake_ms}) {
    i64 last = 0, step = 0;
    for (const Stamp& stamp : stamps) {
      // Samples are taken at even distances: what is left of the distance's change is small.
      i64 now = minus(stamp.*clock, last);
      writer.zigzag(minus(now, step));
      step = now;
      last = stamp.*clock;
    }
  }
  return writer.bytes();
}

Result<std::vector<Stamp>> decode_stamps(Bytes bytes) {
  ByteReader reader(bytes);
  u64 count = TRY(reader.varint());
  if (count > reader.left()) return damaged("more samples than bytes");
  std::vector<Stamp> stamps(count);
  for (i64 Stamp::* clock : {&Stamp::wall_ms, &Stamp::boot_ms, &Stamp::awake_ms}) {
    i64 last = 0, step = 0;
    for (Stamp& stamp : stamps) {
      step = plus(step, TRY(reader.zigzag()));
      last = plus(last, step);
      stamp.*clock = last;
    }
  }
  if (reader.left() != 0) return damaged("something stands behind the times");
  return stamps;
}

std::vector<std::byte> compress(Bytes bytes) {
  std::vector<std::byte> out(ZSTD_compressBound(bytes.size()));
  std::size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), kLevel);
  VERIFY(ZSTD_isError(size) == 0U);
  out.resize(size);
  return out;
}

Result<std::vector<std::byte>> decompress(Bytes bytes) {
  unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > kMostBytes)
    return damaged("their compressed size makes no sense");
  std::vector<std::byte> out(size);
  std::size_t got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0U || got != out.size()) return damaged("they cannot be decompressed");
  return out;
}

}  // namespace orphan::watch
