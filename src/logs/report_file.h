// SPDX-License-Identifier: Apache-2.0
// Reads one file with reports in it, whatever they are: text (see text_reader.h), or JSON of orphan's; compressed or not. Text is
// streamed; a JSON document is taken whole.
#pragma once
#include <string>

#include "base/result.h"
#include "logs/finding.h"
#include "logs/text_reader.h"

namespace orphan::logs {

// BadData and Unsupported: nothing in it is understood, or it is something for another command, which the error names. An empty
// file is understood: as kmemleak's own, it says that nothing leaks. Errors name the path.
Result<FileFacts> read_report_file(const std::string& path, const Hooks& hooks);

// Whether it is a regular file with a recording, which is no report yet: it has to be scanned.
bool is_recording(const std::string& path);

}  // namespace orphan::logs
