// SPDX-License-Identifier: Apache-2.0
// Makes a file of samples out of what is not one: text logs of monitor scripts (log_import.h), and segments that other machines
// have exported (segment_file.h).
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace orphan::watch {

struct Imported {
  u64 samples = 0;
  u64 junk = 0;  // lines that were not understood
};

// `path` must not be there: what is imported is not mixed with what was. The order of the files does not matter. Text logs are
// taken for those of one machine.
Result<Imported> import_files(const std::string& path, const std::vector<std::string>& files,
                              const std::function<void(const std::string&)>& notice);

}  // namespace orphan::watch
