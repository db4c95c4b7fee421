// SPDX-License-Identifier: Apache-2.0
// What is the same whether a scan comes after the tracking or not: start the command, wait for its end or the user's, say how it
// goes.
#pragma once
#include <functional>

#include "cli/options.h"
#include "cli/session.h"
#include "track/tracker.h"

namespace orphan::cli {

// The options of a tracker that a command line has by itself.
Result<track::TrackOptions> track_options(const TrackCommand& command);

// Until the command has ended, or the user says so. `look` is called some fifty times a second; `then` says what comes after.
Result<void> track_until_end(track::Tracker& tracker, Session& session, const std::vector<std::string>& command,
                             const std::function<void()>& look, std::string_view then);

}  // namespace orphan::cli
