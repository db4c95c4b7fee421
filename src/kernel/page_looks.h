// SPDX-License-Identifier: Apache-2.0
// What a page that nobody is known to have looks like: enough to tell one owner's pages from another's.
#pragma once
#include <string>

#include "kernel/symbols.h"

namespace orphan::kernel {

// "zeros", "text", "pointers" or "data".
std::string looks_like(Bytes page);

// The name of the first symbol whose start something in the page points to; empty: none.
std::string first_symbol(Bytes page, const Symbols& symbols);

}  // namespace orphan::kernel
