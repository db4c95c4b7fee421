// SPDX-License-Identifier: Apache-2.0
// Owners of SQLite's connection and statements, and its errors as ours; and the directory that a database stands in.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/types.h"

struct sqlite3;
struct sqlite3_stmt;

namespace orphan {

// One statement. It must not outlive its database. Texts and bytes that are bound must live until the next reset().
class Statement {
 public:
  Statement(Statement&& other) noexcept = default;
  Statement& operator=(Statement&& other) noexcept = default;

  // Parameters count from 1, as in SQL; columns from 0.
  Result<void> bind(int parameter, i64 value);
  Result<void> bind(int parameter, double value);
  Result<void> bind(int parameter, std::string_view text);
  Result<void> bind(int parameter, Bytes bytes);
  Result<void> bind_null(int parameter);

  // True: there is a row, whose columns can be asked for; false: that was all.
  Result<bool> step();
  // For a statement that has no rows: does it, and makes it ready for the next time. NULL is what is not bound again.
  Result<void> run();
  // Ready for the next time without having seen all rows.
  Result<void> reset();

  bool is_null(int column) const;
  i64 integer(int column) const;
  double number(int column) const;
  std::string text(int column) const;
  Bytes bytes(int column) const;  // until the next step()

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Result<void> check(int code) const;

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Why a file cannot be used, and what to do about it, without a name.
Error file_error(int error_number);

// With the directories above it. Its mode is 0700: what is remembered of a kernel is nobody else's business.
Result<void> make_directory(const std::string& path);

// Errors of all that is done here: BadData: the file is damaged, or not what its statements expect; Permission and Io: the file
// cannot be read or written. The text is like that of file_error().
class Database {
 public:
  enum class Access : u8 { Write, Read };

  // The file must exist.
  static Result<Database> open(const std::string& path, Access access = Access::Write);

  Result<Statement> prepare(std::string_view sql);
  // One or several statements without parameters, whose rows do not matter.
  Result<void> run(const char* sql);
  // What the first row begins with.
  Result<i64> ask(std::string_view sql);
  Result<std::string> ask_text(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  explicit Database(sqlite3* connection) : connection_(connection) {}

  std::unique_ptr<sqlite3, Close> connection_;
};

// Rolled back unless it was committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}

  Database* database_;
};

}  // namespace orphan
