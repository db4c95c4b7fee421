// SPDX-License-Identifier: Apache-2.0
// Whether the members that a kernel's types claim lie within their structs. Readers read a struct in one piece and take its
// members out unchecked; types that lie (in a recording that somebody made) must not lead them beyond it.
#pragma once
#include "kernel/layouts.h"

namespace orphan::kernel {

// The name of the struct that does not add up; empty: all do.
std::string_view struct_out_of_bounds(const Layouts& layouts);

}  // namespace orphan::kernel
