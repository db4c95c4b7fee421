// SPDX-License-Identifier: Apache-2.0
// The answer to `dump=`: what is known of one object, as kmemleak writes it to the kernel's log.
#pragma once
#include <string>

#include "detector/object.h"
#include "report/who.h"

namespace orphan::serve {

// `who` has a block that is live. `known`: the object that the detector remembers there, or null. Lines with kmemleak's prefix,
// but for those of the stack.
std::string to_dump(const Who& who, const Object* known, u32 checksum);

}  // namespace orphan::serve
