// SPDX-License-Identifier: Apache-2.0
// The numbers of series in a file. Those of the last samples are in memory, all others are looked up in the file: on a machine
// where processes come and go there are far more that ended than that go on. A number that is new is written together with the
// sample that needs it.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "store/sqlite.h"
#include "watch/coding.h"
#include "watch/series.h"

namespace orphan::watch {

class SeriesTable {
 public:
  static Result<SeriesTable> open(Database& database);

  // Series of processes are of one boot: another process has the same number, name and start after the next.
  void set_boot(u32 boot);
  Result<u32> number_of(const Reading& reading);

  // Whether the last sample had something of this name. One name in 2^64 may be mistaken for another.
  bool has(Kind kind, std::string_view name) const { return names_.contains(hash_of(kind, name)); }
  // What has() goes by from now on, with the numbers that were asked for since the last time.
  void end_sample();
  // Of samples that were stored before: what they have is in the last sample.
  Result<void> recall(const Row& row);

  // Writes what is new; inside of a transaction. written() when it is committed.
  Result<void> write(Database& database) const;
  void written();

 private:
  struct Entry {
    u32 id = 0;
    bool is_new = false;
    u64 last = 0;  // the sample that had it
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  explicit SeriesTable(Statement find, Statement recall) : find_(std::move(find)), recall_(std::move(recall)) {}
  static u64 hash_of(Kind kind, std::string_view name);
  u32 boot_of(Kind kind) const { return kind == Kind::Process ? boot_ : 0; }
  Result<u32> stored_number(const Reading& reading);

  Statement find_, recall_;
  u32 boot_ = 0;
  u32 next_ = 1;
  u64 samples_ = 0;
  std::string key_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
  std::unordered_set<u64> names_, names_now_;
  struct New {
    u32 id = 0;
    Kind kind = Kind::Memory;
    std::string name, field;
    u32 boot = 0;
    Unit unit = Unit::Count;
    i64 scale = 1;
  };
  std::vector<New> new_;
};

}  // namespace orphan::watch
