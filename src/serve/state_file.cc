// SPDX-License-Identifier: Apache-2.0
#include "serve/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <limits>
#include <tuple>
#include <utility>

namespace orphan::serve {
namespace {

constexpr i64 kVersion = 1;                // of the schema
constexpr i64 kApplication = 0x6f727068;   // "orph", in the file's header
constexpr std::size_t kPidCharacters = 8;  // in the lock; more than the 2^22 that the kernel gives at most

// Begins a new file. Whole, or the file stays empty.
constexpr const char* kSchema = R"(
BEGIN;
CREATE TABLE daemon (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  boot_id TEXT NOT NULL,
  is_off INTEGER NOT NULL,
  has_automatic_scans INTEGER NOT NULL,
  scans_stacks INTEGER NOT NULL,
  period_s REAL NOT NULL,
  min_age_s REAL NOT NULL
) STRICT;
CREATE TABLE objects (
  space INTEGER NOT NULL,
  address INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  place INTEGER NOT NULL,
  kind TEXT NOT NULL,
  cache TEXT NOT NULL,
  checksum INTEGER NOT NULL,
  born INTEGER,
  first_seen_unix_s INTEGER NOT NULL,
  reported_unix_s INTEGER NOT NULL,
  is_cleared INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  comm TEXT NOT NULL,
  stack BLOB NOT NULL,
  PRIMARY KEY (space, address)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 1869770856;
PRAGMA user_version = 1;
COMMIT)";

auto key(const SavedObject& object) {
  return std::tuple(object.space, object.address);
}

// SQLite's integers have a sign; addresses use all 64 bits.
i64 to_column(u64 value) {
  return std::bit_cast<i64>(value);
}
u64 from_column(i64 value) {
  return std::bit_cast<u64>(value);
}

template <typename T>
Result<T> narrow(i64 value) {
  if (!std::in_range<T>(value)) return Error(ErrorCode::BadData, fmt::format("{} is out of range", value));
  return static_cast<T>(value);
}

Result<SavedObject> object_of(const Statement& row) {
  SavedObject object;
  object.space = TRY(narrow<u8>(row.integer(0)));
  object.address = from_column(row.integer(1));
  object.size_bytes = from_column(row.integer(2));
  object.order = from_column(row.integer(3));
  object.kind = row.text(4);
  object.cache = row.text(5);
  object.checksum = TRY(narrow<u32>(row.integer(6)));
  if (!row.is_null(7)) object.born = from_column(row.integer(7));
  object.first_seen_unix_s = row.integer(8);
  object.reported_unix_s = row.integer(9);
  object.is_cleared = row.integer(10) != 0;
  object.pid = TRY(narrow<u32>(row.integer(11)));
  object.comm = row.text(12);
  Bytes stack = row.bytes(13);
  if (stack.size() % sizeof(u64) != 0) return Error(ErrorCode::BadData, "a stack ends in the middle of an address");
  object.stack.resize(stack.size() / sizeof(u64));
  copy_bytes(stack, std::as_writable_bytes(std::span(object.stack)).data());
  return object;
}

Result<void> put(Statement& row, const SavedObject& object) {
  TRY(row.bind(1, i64{object.space}));
  TRY(row.bind(2, to_column(object.address)));
  TRY(row.bind(3, to_column(object.size_bytes)));
  TRY(row.bind(4, to_column(object.order)));
  TRY(row.bind(5, object.kind));
  TRY(row.bind(6, object.cache));
  TRY(row.bind(7, i64{object.checksum}));
  TRY(object.born ? row.bind(8, to_column(*object.born)) : row.bind_null(8));
  TRY(row.bind(9, object.first_seen_unix_s));
  TRY(row.bind(10, object.reported_unix_s));
  TRY(row.bind(11, i64{object.is_cleared}));
  TRY(row.bind(12, i64{object.pid}));
  TRY(row.bind(13, object.comm));
  TRY(row.bind(14, std::as_bytes(std::span(object.stack))));
  return row.run();
}

Result<void> put(Database& database, std::string_view boot_id, const SavedSettings& settings) {
  Statement row = TRY(database.prepare("INSERT OR REPLACE INTO daemon VALUES (1, ?, ?, ?, ?, ?, ?)"));
  TRY(row.bind(1, boot_id));
  TRY(row.bind(2, i64{settings.is_off}));
  TRY(row.bind(3, i64{settings.has_automatic_scans}));
  TRY(row.bind(4, i64{settings.scans_stacks}));
  TRY(row.bind(5, settings.period_s));
  TRY(row.bind(6, settings.min_age_s));
  return row.run();
}

// Who wrote itself into the lock; empty: nobody knows.
std::string holder_of(int fd) {
  char text[kPidCharacters];
  ssize_t size = ::pread(fd, text, sizeof text, 0);
  pid_t pid = 0;
  if (size <= 0 || std::from_chars(text, text + size, pid).ec != std::errc() || pid <= 0) return "";
  return std::to_string(pid);
}

// A new file gets its tables; one that is there has to be whole, and ours. What it is not is not written to.
Result<void> prepare_file(Database& database) {
  // Before the first look. The lock keeps other daemons away, so the log's index can be in our memory: a third file, for which a
  // full disk has no room, is not needed.
  TRY(database.run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY"));
  i64 application = TRY(database.ask("PRAGMA application_id"));
  bool is_new = application == 0 && TRY(database.ask("SELECT count(*) FROM sqlite_schema")) == 0;
  if (!is_new && application != kApplication) return Error(ErrorCode::BadData, "it is a database of another program");
  i64 version = TRY(database.ask("PRAGMA user_version"));
  if (version > kVersion) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("it was written by a newer orphan (schema {}, this one knows {}); use that, or another directory "
                             "with --state",
                             version, kVersion));
  }
  if (TRY(database.ask_text("PRAGMA journal_mode = WAL")) != "wal")
    return Error(ErrorCode::Io, "it cannot have a write-ahead log");
  // The log is synced with each commit, and folded into the file when it has a megabyte.
  TRY(database.run("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 1048576"));
  if (is_new) return database.run(kSchema);
  std::string finding = TRY(database.ask_text("PRAGMA quick_check(1)"));
  if (finding != "ok") return Error(ErrorCode::BadData, finding);
  return {};
}

}  // namespace

StateFile::Identity StateFile::Identity::of(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 ? Identity{status.st_dev, status.st_ino} : Identity();
}

bool StateFile::Identity::is_at(const std::string& path) const {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && *this == Identity{status.st_dev, status.st_ino};
}

StateFile::StateFile(const std::string& directory, std::string_view boot_id, Notice notice)
    : directory_(directory), path_(directory + "/state.db"), boot_id_(boot_id), notice_(std::move(notice)) {}

Result<StateFile> StateFile::open(const std::string& directory, std::string_view boot_id, Notice notice) {
  StateFile file(directory, boot_id, std::move(notice));
  TRY(file.connect());
  if (file.forgotten_ != 0) {
    file.notice_(
        fmt::format("the machine was booted since: {} objects that {} tells of are forgotten", file.forgotten_, file.path_));
  }
  return file;
}

Error StateFile::failed(std::string_view verb, const Error& error) const {
  return {error.code(), fmt::format("cannot {} the daemon's state in {}: {}", verb, path_, error.text())};
}

Result<void> StateFile::connect() {
  TRY(make_directory(directory_));
  if (!lock_identity_.is_at(directory_ + "/lock")) TRY(lock());
  Result<void> opened = open_database();
  if (!opened && opened.error().code() == ErrorCode::BadData) {
    TRY(move_aside(opened.error().text()));
    opened = open_database();
  }
  if (!opened) return failed("open", opened.error());
  return {};
}

Result<void> StateFile::lock() {
  std::string path = directory_ + "/lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.value() < 0) return file_error(errno).in(fmt::format("cannot open the lock {}", path));
  if (::flock(fd.value(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error(errno).in(fmt::format("cannot lock {}", path));
    std::string pid = holder_of(fd.value());
    return Error(ErrorCode::Io, fmt::format("the directory {} is in use by another daemon{}; stop that one, or give this one a "
                                            "directory of its own with --state DIR",
                                            directory_, pid.empty() ? pid : fmt::format(", process {}", pid)));
  }
  // Only for that message. What a full disk does not take leaves an empty file, not the number of somebody who is gone.
  std::string pid = fmt::format("{:<{}}", ::getpid(), kPidCharacters);
  if (::ftruncate(fd.value(), 0) == 0) (void)!::pwrite(fd.value(), pid.data(), pid.size(), 0);
  lock_ = std::move(fd);
  lock_identity_ = Identity::of(lock_.value());
  return {};
}

Result<void> StateFile::open_database() {
  // Made here, and closed again before SQLite has it: SQLite itself would leave the mode to the umask, and its locks go when any
  // descriptor of the file is closed.
  {
    Fd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (fd.value() < 0) return file_error(errno);
    identity_ = Identity::of(fd.value());
  }
  Database database = TRY(Database::open(path_));
  TRY(prepare_file(database));
  TRY(load(database));
  database_.emplace(std::move(database));
  return {};
}

Result<void> StateFile::load(Database& database) {
  saved_.clear();
  settings_.reset();
  forgotten_ = 0;
  std::string boot_id;
  Statement row =
      TRY(database.prepare("SELECT boot_id, is_off, has_automatic_scans, scans_stacks, period_s, min_age_s FROM daemon"));
  if (TRY(row.step())) {
    boot_id = row.text(0);
    settings_ = SavedSettings{.is_off = row.integer(1) != 0,
                              .has_automatic_scans = row.integer(2) != 0,
                              .scans_stacks = row.integer(3) != 0,
                              .period_s = row.number(4),
                              .min_age_s = row.number(5)};
  }
  holds_other_boot_ = boot_id != boot_id_;
  if (holds_other_boot_) {
    settings_.reset();
    forgotten_ = from_column(TRY(database.ask("SELECT count(*) FROM objects")));
    return {};
  }
  Statement rows = TRY(database.prepare(
      "SELECT space, address, size_bytes, place, kind, cache, checksum, born, first_seen_unix_s, reported_unix_s, "
      "is_cleared, pid, comm, stack FROM objects"));
  while (TRY(rows.step())) saved_.push_back(TRY(object_of(rows)));
  // Addresses above the middle are negative numbers there.
  std::ranges::sort(saved_, {}, key);
  return {};
}

Result<void> StateFile::move_aside(const std::string& why) {
  i64 now = ::time(nullptr);
  auto aside = [&] { return fmt::format("{}.damaged-{}", path_, now); };
  while (::access(aside().c_str(), F_OK) == 0) ++now;
  for (const char* part : {"-wal", "-shm", ""}) {
    if (::rename((path_ + part).c_str(), (aside() + part).c_str()) != 0 && errno != ENOENT)
      return file_error(errno).in(fmt::format("{}{} is damaged, and cannot be moved aside", path_, part));
  }
  notice_(fmt::format("{} cannot be used ({}): it is {} now, and a new one is begun", path_, why, aside()));
  return {};
}

std::vector<SavedObject> StateFile::objects() const {
  std::vector<SavedObject> objects = saved_;
  std::ranges::stable_sort(objects, {}, &SavedObject::order);
  return objects;
}

Result<void> StateFile::save(std::span<const SavedObject> objects, const SavedSettings& settings) {
  std::vector<SavedObject> sorted(objects.begin(), objects.end());
  std::ranges::sort(sorted, {}, key);
  VERIFY(std::ranges::adjacent_find(sorted, {}, key) == sorted.end());
  if (database_ && !identity_.is_at(path_)) database_.reset();
  if (!database_) TRY(connect());
  Result<void> written = write_changes(sorted, settings);
  if (!written) {
    // What the file holds is read again before the next try: after some errors nobody can say.
    database_.reset();
    return failed("save", written.error());
  }
  saved_ = std::move(sorted);
  settings_ = settings;
  holds_other_boot_ = false;
  return {};
}

Result<void> StateFile::write_changes(std::span<const SavedObject> objects, const SavedSettings& settings) {
  bool has_new_row = holds_other_boot_ || settings_ != settings;
  if (!has_new_row && std::ranges::equal(objects, saved_)) return {};
  Transaction transaction = TRY(Transaction::begin(*database_));
  if (holds_other_boot_) TRY(database_->run("DELETE FROM objects"));
  if (has_new_row) TRY(put(*database_, boot_id_, settings));
  Statement insert = TRY(database_->prepare("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  Statement remove = TRY(database_->prepare("DELETE FROM objects WHERE space = ? AND address = ?"));
  auto old = saved_.begin();
  auto remove_until = [&](const SavedObject* next) -> Result<void> {
    for (; old != saved_.end() && (next == nullptr || key(*old) < key(*next)); ++old) {
      TRY(remove.bind(1, i64{old->space}));
      TRY(remove.bind(2, to_column(old->address)));
      TRY(remove.run());
    }
    return {};
  };
  for (const SavedObject& object : objects) {
    TRY(remove_until(&object));
    bool is_there = old != saved_.end() && key(*old) == key(object);
    if (!is_there || *old != object) TRY(put(insert, object));
    if (is_there) ++old;
  }
  TRY(remove_until(nullptr));
  return transaction.commit();
}

}  // namespace orphan::serve
