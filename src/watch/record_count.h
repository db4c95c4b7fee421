// SPDX-License-Identifier: Apache-2.0
// How many records a file like kmemleak's has. To read it waits for a scan that is running, for minutes perhaps; so a thread
// reads, and what it has found is asked for.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

namespace orphan::watch {

class RecordCount {
 public:
  explicit RecordCount(std::string path);
  // Begins to read, and waits a moment for the answer. Nothing: there is none yet; it is given at a later call. A reader that is
  // stuck ends with the process.
  Result<std::optional<i64>> ask();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace orphan::watch
