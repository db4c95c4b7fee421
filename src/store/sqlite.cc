// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace orphan {
namespace {

constexpr int kBusyTimeoutMs = 5000;

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_ERROR:  // a table or column that is not there: our statements are right for our own schema
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return ErrorCode::BadData;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: return ErrorCode::Permission;
    case SQLITE_NOMEM: return ErrorCode::OutOfMemory;
    default: return ErrorCode::Io;
  }
}

// Of the log, which is what is mostly written, or else of the file; 0: of neither. SQLite's own words ("disk I/O error") keep the
// reason to themselves, and sqlite3_system_errno() does not know it after a failed COMMIT.
int last_error_number(sqlite3* connection) {
  sqlite3_file* journal = nullptr;
  int error_number = 0;
  sqlite3_file_control(connection, "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&journal));
  if (journal != nullptr && journal->pMethods != nullptr)
    journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &error_number);
  if (error_number == 0) sqlite3_file_control(connection, "main", SQLITE_FCNTL_LAST_ERRNO, &error_number);
  return error_number;
}

// Of the last call that failed.
Error error_of(sqlite3* connection) {
  if (connection == nullptr) return {ErrorCode::OutOfMemory, "there is no memory for SQLite"};
  int code = sqlite3_extended_errcode(connection);
  int primary = code & 0xff;
  int error_number = 0;
  if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) {
    error_number = sqlite3_system_errno(connection);
    if (error_number == 0) error_number = last_error_number(connection);
  }
  if (primary == SQLITE_FULL) error_number = ENOSPC;
  if (error_number != 0) return file_error(error_number);
  if (primary == SQLITE_BUSY) return {ErrorCode::Io, "another program has it open; close that one"};
  return {code_of(code), sqlite3_errmsg(connection)};
}

std::string_view remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: return "; make room there";
    case EFBIG: return "; raise the limit of file sizes (ulimit -f)";
    case EACCES:
    case EPERM:
    case EROFS: return "; it has to be in a directory that can be written to";
    case ENOTDIR:
    case EISDIR: return "; something else has its name";
    default: return "";
  }
}

}  // namespace

Error file_error(int error_number) {
  // A file that is not there is an error like any other here: it was to be made.
  bool is_permission = error_number == EACCES || error_number == EPERM || error_number == EROFS;
  return {is_permission ? ErrorCode::Permission : ErrorCode::Io,
          std::string(std::strerror(error_number)) + std::string(remedy(error_number))};
}

Result<void> make_directory(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    std::string above = path.substr(0, slash);
    if (::mkdir(above.c_str(), 0755) != 0 && errno != EEXIST)
      return file_error(errno).in(fmt::format("cannot make the directory {}", above));
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return file_error(errno).in(fmt::format("cannot make the directory {}", path));
  return {};
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<void> Statement::check(int code) const {
  if (code == SQLITE_OK) return {};
  return error_of(sqlite3_db_handle(statement_.get()));
}

Result<void> Statement::bind(int parameter, i64 value) {
  return check(sqlite3_bind_int64(statement_.get(), parameter, value));
}

Result<void> Statement::bind(int parameter, double value) {
  return check(sqlite3_bind_double(statement_.get(), parameter, value));
}

// The destructor that is not given says that the bytes stay where they are; SQLite's macros for the others are casts.
Result<void> Statement::bind(int parameter, std::string_view text) {
  return check(
      sqlite3_bind_text64(statement_.get(), parameter, text.empty() ? "" : text.data(), text.size(), nullptr, SQLITE_UTF8));
}

Result<void> Statement::bind(int parameter, Bytes bytes) {
  if (bytes.empty()) return check(sqlite3_bind_zeroblob(statement_.get(), parameter, 0));
  return check(sqlite3_bind_blob64(statement_.get(), parameter, bytes.data(), bytes.size(), nullptr));
}

Result<void> Statement::bind_null(int parameter) {
  return check(sqlite3_bind_null(statement_.get(), parameter));
}

Result<bool> Statement::step() {
  int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return error_of(sqlite3_db_handle(statement_.get()));
}

Result<void> Statement::run() {
  TRY(step());
  TRY(check(sqlite3_reset(statement_.get())));
  return check(sqlite3_clear_bindings(statement_.get()));
}

Result<void> Statement::reset() {
  // It repeats the error of the last step, which who stepped has.
  (void)sqlite3_reset(statement_.get());
  return check(sqlite3_clear_bindings(statement_.get()));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

i64 Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::number(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string Statement::text(int column) const {
  Bytes all = bytes(column);
  std::string text(all.size(), '\0');
  copy_bytes(all, std::as_writable_bytes(std::span(text)).data());
  return text;
}

Bytes Statement::bytes(int column) const {
  const void* at = sqlite3_column_blob(statement_.get(), column);
  int size = sqlite3_column_bytes(statement_.get(), column);
  if (at == nullptr || size <= 0) return {};
  return {static_cast<const std::byte*>(at), static_cast<std::size_t>(size)};
}

void Database::Close::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

Result<Database> Database::open(const std::string& path, Access access) {
  sqlite3* connection = nullptr;
  int flags = (access == Access::Write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_EXRESCODE;
  int code = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  Database database(connection);  // there is one to close after most errors, too
  if (code != SQLITE_OK) return error_of(connection);
  sqlite3_busy_timeout(connection, kBusyTimeoutMs);
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK)
    return error_of(connection_.get());
  return Statement(statement);
}

Result<void> Database::run(const char* sql) {
  if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error_of(connection_.get());
  return {};
}

Result<i64> Database::ask(std::string_view sql) {
  Statement statement = TRY(prepare(sql));
  if (!TRY(statement.step())) return Error(ErrorCode::BadData, "a row is missing");
  return statement.integer(0);
}

Result<std::string> Database::ask_text(std::string_view sql) {
  Statement statement = TRY(prepare(sql));
  if (!TRY(statement.step())) return Error(ErrorCode::BadData, "a row is missing");
  return statement.text(0);
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY(database.run("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Result<void> Transaction::commit() {
  TRY(database_->run("COMMIT"));
  database_ = nullptr;
  return {};
}

Transaction::~Transaction() {
  // After some errors SQLite has rolled back by itself; then this one fails, and nothing is lost by it.
  if (database_ != nullptr) (void)database_->run("ROLLBACK");
}

}  // namespace orphan
