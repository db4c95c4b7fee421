// SPDX-License-Identifier: Apache-2.0
#include "watch/series_table.h"

#include <utility>

namespace orphan::watch {
namespace {

// Samples that a number is remembered for without being asked for: a process whose memory is read now and then keeps its series.
constexpr u32 kMostAge = 16;

void set_key(std::string& key, Kind kind, std::string_view name, std::string_view field) {
  key.assign(1, static_cast<char>(kind));
  key.append(name);
  key.push_back('\0');
  key.append(field);
}

}  // namespace

Result<SeriesTable> SeriesTable::open(Database& database) {
  Statement find = TRY(database.prepare("SELECT id FROM series WHERE kind = ? AND name = ? AND field = ? AND boot = ?"));
  Statement recall = TRY(database.prepare("SELECT kind, name, field FROM series WHERE id = ?"));
  SeriesTable table(std::move(find), std::move(recall));
  table.next_ = static_cast<u32>(TRY(database.ask("SELECT coalesce(max(id), 0) FROM series"))) + 1;
  return table;
}

u64 SeriesTable::hash_of(Kind kind, std::string_view name) {
  constexpr u64 kOdd = 0x9e3779b97f4a7c15;
  return std::hash<std::string_view>()(name) + kOdd * (static_cast<u64>(kind) + 1);
}

void SeriesTable::set_boot(u32 boot) {
  boot_ = boot;
  // All numbers that are not in the file yet are in `new_`, and are found there after an eviction: none is evicted before.
  std::erase_if(entries_, [](const auto& entry) { return !entry.second.is_new; });
  names_.clear();
  names_now_.clear();
}

Result<u32> SeriesTable::stored_number(const Reading& reading) {
  TRY(find_.bind(1, word(reading.kind)));
  TRY(find_.bind(2, reading.name));
  TRY(find_.bind(3, reading.field));
  TRY(find_.bind(4, i64{boot_of(reading.kind)}));
  u32 id = 0;
  auto found = find_.step();
  if (found && *found) id = static_cast<u32>(find_.integer(0));
  TRY(find_.reset());
  if (!found) return std::move(found).error();
  return id;
}

Result<u32> SeriesTable::number_of(const Reading& reading) {
  names_now_.insert(hash_of(reading.kind, reading.name));
  set_key(key_, reading.kind, reading.name, reading.field);
  // A process of an earlier boot whose series was not written yet is another one.
  if (reading.kind == Kind::Process) key_.append(1, '\0').append(std::to_string(boot_));
  auto known = entries_.find(std::string_view(key_));
  if (known != entries_.end()) {
    known->second.last = samples_;
    return known->second.id;
  }
  Entry entry{.id = TRY(stored_number(reading)), .last = samples_};
  if (entry.id == 0) {
    entry = {.id = next_++, .is_new = true, .last = samples_};
    new_.push_back({entry.id, reading.kind, std::string(reading.name), std::string(reading.field), boot_of(reading.kind),
                    reading.unit, reading.scale});
  }
  entries_.emplace(key_, entry);
  return entry.id;
}

void SeriesTable::end_sample() {
  std::swap(names_, names_now_);
  names_now_.clear();
  ++samples_;
  std::erase_if(entries_, [this](const auto& entry) { return !entry.second.is_new && samples_ - entry.second.last > kMostAge; });
}

Result<void> SeriesTable::recall(const Row& row) {
  for (const Cell& cell : row) {
    TRY(recall_.bind(1, i64{cell.id}));
    auto found = recall_.step();
    if (found && *found) {
      if (std::optional<Kind> kind = kind_of(recall_.text(0))) names_.insert(hash_of(*kind, recall_.text(1)));
    }
    TRY(recall_.reset());
    if (!found) return std::move(found).error();
  }
  return {};
}

Result<void> SeriesTable::write(Database& database) const {
  if (new_.empty()) return {};
  Statement insert = TRY(database.prepare("INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?)"));
  for (const New& one : new_) {
    TRY(insert.bind(1, i64{one.id}));
    TRY(insert.bind(2, word(one.kind)));
    TRY(insert.bind(3, one.name));
    TRY(insert.bind(4, one.field));
    TRY(insert.bind(5, i64{one.boot}));
    TRY(insert.bind(6, word(one.unit)));
    TRY(insert.bind(7, one.scale));
    TRY(insert.run());
  }
  return {};
}

void SeriesTable::written() {
  new_.clear();
  for (auto& [key, entry] : entries_) entry.is_new = false;
}

}  // namespace orphan::watch
