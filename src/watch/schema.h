// SPDX-License-Identifier: Apache-2.0
// The file that samples are stored in: a database of SQLite with a write-ahead log, so that others can read it while it is
// written, and so that what was committed is there whatever ended the writer. docs/watch.md describes the tables.
#pragma once
#include <string>

#include "store/sqlite.h"

namespace orphan::watch {

// Makes a file that is missing, readable for its owner only, with its directory.
Result<Database> open_for_writing(const std::string& path);
Result<Database> open_for_reading(const std::string& path);

}  // namespace orphan::watch
