// SPDX-License-Identifier: Apache-2.0
// What a compiled function does first: it saves the registers that it has to give back as they were.
#pragma once
#include "base/bytes.h"

namespace orphan::kernel {

// How many registers the x86-64 function whose code begins with `code` pushes on entry, for its caller: their words stand right
// below the return address. Reads what compilers mix with the pushes, and ends at anything else, so that the number may be too
// small, never too big.
unsigned saved_registers(Bytes code);

}  // namespace orphan::kernel
