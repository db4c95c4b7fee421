// SPDX-License-Identifier: Apache-2.0
#include "watch/schema.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "base/fd.h"
#include "base/new_file.h"

namespace orphan::watch {
namespace {

constexpr i64 kVersion = 1;               // of the schema
constexpr i64 kApplication = 0x6f727077;  // "orpw", in the file's header

// Begins a new file. Whole, or the file stays empty. A segment whose `columns` are missing has its samples in `frames`.
constexpr const char* kSchema = R"(
BEGIN;
CREATE TABLE boots (
  id INTEGER PRIMARY KEY,
  boot_id TEXT NOT NULL,
  host TEXT NOT NULL,
  release TEXT NOT NULL,
  page_bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  boot INTEGER NOT NULL REFERENCES boots,
  wall_ms INTEGER NOT NULL,
  boot_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  field TEXT NOT NULL,
  boot INTEGER NOT NULL,
  unit TEXT NOT NULL,
  scale INTEGER NOT NULL,
  UNIQUE (kind, name, field, boot)
) STRICT;
CREATE TABLE segments (
  id INTEGER PRIMARY KEY,
  boot INTEGER NOT NULL REFERENCES boots,
  is_exported INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  first_wall_ms INTEGER NOT NULL,
  last_wall_ms INTEGER NOT NULL,
  stamps BLOB,
  columns BLOB
) STRICT;
CREATE TABLE frames (
  id INTEGER PRIMARY KEY,
  segment INTEGER NOT NULL REFERENCES segments,
  wall_ms INTEGER NOT NULL,
  boot_ms INTEGER NOT NULL,
  awake_ms INTEGER NOT NULL,
  row BLOB NOT NULL
) STRICT;
PRAGMA application_id = 1869770871;
PRAGMA user_version = 1;
COMMIT)";

// Whether it is a file without anything in it. What is not ours is not written to.
Result<bool> is_new(Database& database) {
  i64 application = TRY(database.ask("PRAGMA application_id"));
  if (application == 0 && TRY(database.ask("SELECT count(*) FROM sqlite_schema")) == 0) return true;
  if (application != kApplication)
    return Error(ErrorCode::BadData, "it is a database, but none of samples; name another file with --store");
  i64 version = TRY(database.ask("PRAGMA user_version"));
  if (version > kVersion) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("it was written by a newer orphan (schema {}, this one knows {}); use that", version, kVersion));
  }
  return false;
}

Result<Database> open_whole(const std::string& path) {
  {
    // SQLite would leave the mode to the umask. Closed again before SQLite has the file: its locks go when any descriptor is
    // closed.
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (fd.value() < 0) return file_error(errno);
  }
  Database database = TRY(Database::open(path));
  TRY(database.run("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -512"));
  bool is_empty = TRY(is_new(database));
  // Pages that thinning has freed go back to the file system. To be said before there is any table.
  if (is_empty) TRY(database.run("PRAGMA auto_vacuum = INCREMENTAL"));
  if (TRY(database.ask_text("PRAGMA journal_mode = WAL")) != "wal")
    return Error(ErrorCode::Io, "it cannot have a write-ahead log there; name a file on a local disk");
  TRY(database.run("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 1048576"));
  if (is_empty) TRY(database.run(kSchema));
  return database;
}

}  // namespace

Result<Database> open_for_writing(const std::string& path) {
  std::string directory = directory_of(path);
  directory.pop_back();
  if (!directory.empty()) TRY(make_directory(directory));
  auto database = open_whole(path);
  if (!database) return std::move(database).error().in("cannot store samples in " + path);
  return database;
}

Result<Database> open_for_reading(const std::string& path) {
  auto opened = Database::open(path, Database::Access::Read);
  if (!opened) return std::move(opened).error().in("cannot read samples from " + path);
  auto is_empty = is_new(*opened);
  if (!is_empty) return std::move(is_empty).error().in("cannot read samples from " + path);
  if (*is_empty) return Error(ErrorCode::NotFound, path + ": there are no samples in it");
  return std::move(*opened);
}

}  // namespace orphan::watch
