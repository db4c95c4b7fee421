// SPDX-License-Identifier: Apache-2.0
// ^C and SIGTERM ask a scan to end with what it has; a second one ends the program at once.
#pragma once

namespace orphan::cli {

// From now on the signals are noted instead of ending the program.
void catch_interrupts();
bool is_interrupted();
// The signal that asked; 0: none did.
int interrupting_signal();
// What was asked for is done: the next signal asks for something else.
void take_interrupt();
// Sleeps; less when a signal comes.
void wait_seconds(double seconds);

}  // namespace orphan::cli
