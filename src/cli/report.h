// SPDX-License-Identifier: Apache-2.0
// `orphan report`: what others found, grouped, ranked and compared.
#pragma once
#include "cli/options.h"

namespace orphan::cli {

int run_report(const ReportCommand& command);

}  // namespace orphan::cli
