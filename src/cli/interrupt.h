// SPDX-License-Identifier: Apache-2.0
// ^C and SIGTERM ask a scan to end with what it has; a second one ends the program at once.
#pragma once

namespace orphan::cli {

// From now on the signals are noted instead of ending the program.
void catch_interrupts();
bool is_interrupted();
// Sleeps; less when a signal comes.
void wait_seconds(double seconds);

}  // namespace orphan::cli
