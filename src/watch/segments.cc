// SPDX-License-Identifier: Apache-2.0
#include "watch/segments.h"

#include <algorithm>
#include <map>
#include <optional>

namespace orphan::watch {
namespace {

// A segment that thinning has made at most this short is joined with the next one.
constexpr u32 kShortSegment = 64;

std::vector<std::byte> copy_of(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

Result<Segment> load_frames(Database& database, i64 id) {
  Segment segment{.id = id};
  Statement frames = TRY(database.prepare("SELECT wall_ms, boot_ms, awake_ms, row FROM frames WHERE segment = ? ORDER BY id"));
  TRY(frames.bind(1, id));
  std::map<u32, ColumnEncoder> columns;
  Row row;
  for (u32 at = 0; TRY(frames.step()); ++at) {
    segment.stamps.push_back({frames.integer(0), frames.integer(1), frames.integer(2)});
    row = TRY(decode_frame(row, frames.bytes(3)));
    for (const Cell& cell : row) columns[cell.id].put(at, cell.value);
  }
  ByteWriter writer;
  u32 before = 0;
  for (auto& [series, column] : columns) {
    column.finish(series, before, writer);
    before = series;
  }
  segment.columns = writer.bytes();
  return segment;
}

Result<void> save_columns(Database& database, const Segment& segment) {
  std::vector<std::byte> stamps = encode_stamps(segment.stamps);
  std::vector<std::byte> columns = compress(segment.columns);
  Statement save = TRY(database.prepare(
      "UPDATE segments SET samples = ?, first_wall_ms = ?, last_wall_ms = ?, stamps = ?, columns = ? WHERE id = ?"));
  TRY(save.bind(1, static_cast<i64>(segment.stamps.size())));
  TRY(save.bind(2, segment.stamps.front().wall_ms));
  TRY(save.bind(3, segment.stamps.back().wall_ms));
  TRY(save.bind(4, stamps));
  TRY(save.bind(5, columns));
  TRY(save.bind(6, segment.id));
  return save.run();
}

Result<void> remove_segment(Database& database, i64 id) {
  for (const char* sql : {"DELETE FROM frames WHERE segment = ?", "DELETE FROM segments WHERE id = ?"}) {
    Statement remove = TRY(database.prepare(sql));
    TRY(remove.bind(1, id));
    TRY(remove.run());
  }
  return {};
}

// The samples of one segment that are kept, as they are numbered afterwards.
struct Kept {
  std::vector<std::optional<u32>> places;  // for each old number
  u32 count = 0;
};

Kept keep_every_other(std::size_t samples, u32 first) {
  Kept kept;
  for (std::size_t i = 0; i < samples; ++i) {
    bool is_kept = i % 2 == 0 || i + 1 == samples;
    kept.places.push_back(is_kept ? std::optional(first + kept.count) : std::nullopt);
    if (is_kept) ++kept.count;
  }
  return kept;
}

// Reads the columns of a segment one after the other, in step with those of another.
class Merging {
 public:
  Merging(const Segment& segment, Kept kept)
      : reader_(segment.columns, static_cast<u32>(segment.stamps.size())), kept_(std::move(kept)) {}

  // The id of the column that is next; nothing: there is none.
  Result<std::optional<u32>> peek() {
    if (!id_ && !reader_.at_end()) id_ = TRY(reader_.next());
    return id_;
  }
  Result<void> move_to(ColumnEncoder& to) {
    Column column = TRY(reader_.read());
    for (std::size_t i = 0; i < column.at.size(); ++i) {
      if (std::optional<u32> place = kept_.places[column.at[i]]) to.put(*place, column.values[i]);
    }
    id_.reset();
    return {};
  }

 private:
  ColumnReader reader_;
  Kept kept_;
  std::optional<u32> id_;
};

// One segment out of one or two neighbours, each thinned.
Result<Segment> thinned(const std::vector<Segment>& parts) {
  Segment result{.id = parts.front().id, .boot = parts.front().boot};
  std::vector<Merging> merging;
  for (const Segment& part : parts) {
    Kept kept = keep_every_other(part.stamps.size(), static_cast<u32>(result.stamps.size()));
    for (std::size_t i = 0; i < part.stamps.size(); ++i) {
      if (kept.places[i]) result.stamps.push_back(part.stamps[i]);
    }
    merging.emplace_back(part, std::move(kept));
  }
  ByteWriter writer;
  for (u32 before = 0;;) {
    std::optional<u32> next;
    for (Merging& part : merging) {
      std::optional<u32> id = TRY(part.peek());
      if (id && (!next || *id < *next)) next = id;
    }
    if (!next) break;
    ColumnEncoder column;
    for (Merging& part : merging) {
      if (TRY(part.peek()) == next) TRY(part.move_to(column));
    }
    column.finish(*next, before, writer);
    before = *next;
  }
  result.columns = writer.bytes();
  return result;
}

struct Candidate {
  i64 id = 0;
  i64 boot = 0, is_exported = 0, samples = 0;
  double density = 0;  // samples a millisecond, times their age
};

Result<std::vector<Candidate>> candidates(Database& database, i64 now_ms) {
  Statement rows = TRY(database.prepare(
      "SELECT id, boot, is_exported, samples, first_wall_ms, last_wall_ms FROM segments WHERE columns IS NOT NULL ORDER BY id"));
  std::vector<Candidate> all;
  while (TRY(rows.step())) {
    Candidate one{.id = rows.integer(0), .boot = rows.integer(1), .is_exported = rows.integer(2), .samples = rows.integer(3)};
    // A clock that was set back makes an age or a length of nothing.
    auto length = static_cast<double>(std::max<i64>(rows.integer(5) - rows.integer(4), 1));
    auto age = static_cast<double>(std::max<i64>(now_ms - rows.integer(5), 1));
    one.density = static_cast<double>(one.samples) / length * age;
    all.push_back(one);
  }
  return all;
}

}  // namespace

Result<Segment> load_segment(Database& database, i64 id) {
  Statement row = TRY(database.prepare("SELECT boot, stamps, columns FROM segments WHERE id = ?"));
  TRY(row.bind(1, id));
  if (!TRY(row.step())) return Error(ErrorCode::BadData, "a segment is missing");
  auto boot = static_cast<u32>(row.integer(0));
  Segment segment;
  if (row.is_null(2)) {
    segment = TRY(load_frames(database, id));
  } else {
    segment.stamps = TRY(decode_stamps(row.bytes(1)));
    segment.columns = TRY(decompress(copy_of(row.bytes(2))));
  }
  segment.id = id;
  segment.boot = boot;
  return segment;
}

Result<void> finish_segment(Database& database, i64 id) {
  Transaction transaction = TRY(Transaction::begin(database));
  Segment segment = TRY(load_frames(database, id));
  if (segment.stamps.empty()) {
    TRY(remove_segment(database, id));
  } else {
    TRY(save_columns(database, segment));
    Statement remove = TRY(database.prepare("DELETE FROM frames WHERE segment = ?"));
    TRY(remove.bind(1, id));
    TRY(remove.run());
  }
  return transaction.commit();
}

Result<bool> thin_once(Database& database, i64 now_ms) {
  std::vector<Candidate> all = TRY(candidates(database, now_ms));
  auto can_be_thinned = [](const Candidate& one) { return one.samples > 2; };
  const Candidate* best = nullptr;
  for (const Candidate& one : all) {
    if (can_be_thinned(one) && (best == nullptr || one.density > best->density)) best = &one;
  }
  if (best == nullptr) return false;
  std::vector<Segment> parts;
  parts.push_back(TRY(load_segment(database, best->id)));
  const Candidate* next = best + 1;
  bool is_joined = next != all.data() + all.size() && next->boot == best->boot && next->is_exported == best->is_exported &&
                   best->samples <= kShortSegment && next->samples <= 2 * best->samples;
  if (is_joined) parts.push_back(TRY(load_segment(database, next->id)));
  Segment result = TRY(thinned(parts));
  Transaction transaction = TRY(Transaction::begin(database));
  if (is_joined) TRY(remove_segment(database, next->id));
  TRY(save_columns(database, result));
  TRY(transaction.commit());
  TRY(database.run("PRAGMA incremental_vacuum"));
  return true;
}

Result<u64> used_bytes(Database& database) {
  i64 pages = TRY(database.ask("PRAGMA page_count")) - TRY(database.ask("PRAGMA freelist_count"));
  return static_cast<u64>(pages) * static_cast<u64>(TRY(database.ask("PRAGMA page_size")));
}

}  // namespace orphan::watch
