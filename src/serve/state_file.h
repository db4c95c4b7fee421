// SPDX-License-Identifier: Apache-2.0
// What the daemon remembers when it is started again: which objects it has reported, which were cleared, and its settings.
// DIR/state.db is a database of SQLite with a write-ahead log; a save is one transaction, synced, so that whatever ends the
// daemon or the machine, the whole of one save is found afterwards. DIR/lock is held as long as the daemon lives.
//
// Addresses mean nothing after the machine was booted again: then the objects are forgotten, and so are the settings, as a kernel
// forgets those of kmemleak.
#pragma once
#include <sys/types.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/types.h"
#include "store/sqlite.h"

namespace orphan::serve {

// No two that are saved have the same space and address.
struct SavedObject {
  u8 space = 0;
  u64 address = 0;
  u64 size_bytes = 0;
  u64 order = 0;  // they are loaded in ascending order of this; objects of equal order by space and address
  std::string kind = {}, cache = {};
  u32 checksum = 0;
  std::optional<u64> born = {};
  i64 first_seen_unix_s = 0;
  i64 reported_unix_s = 0;  // 0: not yet
  bool is_cleared = false;
  u32 pid = 0;
  std::string comm = {};
  std::vector<u64> stack = {};

  bool operator==(const SavedObject&) const = default;
};

struct SavedSettings {
  bool is_off = false;
  bool has_automatic_scans = true;
  bool scans_stacks = true;
  double period_s = 600;
  double min_age_s = 5;

  bool operator==(const SavedSettings&) const = default;
};

// For one thread at a time.
class StateFile {
 public:
  using Notice = std::function<void(std::string)>;

  // Makes the directory when it is missing. Errors say what to do: another process holds the lock; the file is of a newer version
  // of this program; nothing can be read or written there. A file that is damaged, or not ours, is moved aside, and a new one
  // begun: `notice` gets a line about it, as about objects of an earlier boot.
  static Result<StateFile> open(const std::string& directory, std::string_view boot_id, Notice notice);

  StateFile(StateFile&&) noexcept = default;
  StateFile& operator=(StateFile&&) = delete;

  const std::string& path() const { return path_; }

  // What is in the file, as far as it is of this boot.
  std::vector<SavedObject> objects() const;
  // Nothing: they were not saved since the machine was booted.
  const std::optional<SavedSettings>& settings() const { return settings_; }

  // Afterwards the file holds these and no others. Only what is different is written. After an error it holds what it held
  // before, and the next save() opens it again (a file that was damaged or removed meanwhile is begun anew) and writes all that
  // is missing.
  Result<void> save(std::span<const SavedObject> objects, const SavedSettings& settings);

 private:
  // Which file it is: one that somebody removed is of no use to anybody.
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const Identity&) const = default;
    static Identity of(int fd);
    bool is_at(const std::string& path) const;
  };

  StateFile(const std::string& directory, std::string_view boot_id, Notice notice);
  Result<void> connect();
  Result<void> lock();
  Result<void> open_database();
  Result<void> load(Database& database);
  Result<void> move_aside(const std::string& why);
  Result<void> write_changes(std::span<const SavedObject> objects, const SavedSettings& settings);
  // `error` knows the reason.
  Error failed(std::string_view verb, const Error& error) const;

  std::string directory_, path_, boot_id_;
  Notice notice_;
  Fd lock_;
  Identity lock_identity_;
  std::optional<Database> database_;  // nothing: the last save failed
  Identity identity_;
  // What the file holds. Objects are in ascending order of space and address.
  std::vector<SavedObject> saved_;
  std::optional<SavedSettings> settings_;
  bool holds_other_boot_ = false;  // which goes with the next save
  u64 forgotten_ = 0;              // objects of it
};

}  // namespace orphan::serve
