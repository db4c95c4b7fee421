// SPDX-License-Identifier: Apache-2.0
// What two leaks have in common that are the same bug: over reboots (addresses of code move), over builds of the kernel (offsets
// in functions change, compilers clone functions and give them names of their own, allocators are inlined or not), and over
// hosts. Hashed are names of functions and modules, the kind of memory, and the class of the size.
#pragma once
#include "logs/finding.h"

namespace orphan::logs {

// Of the frames the allocator's own, which come first, are left out. A frame without a symbol counts by the last 12 bits of its
// address, which a module loaded elsewhere keeps. Blocks without a stack count by cache and exact size, since nothing else is
// known.
u64 fingerprint(const Finding& finding);

// The stack to the byte: two call sites in one function differ.
u64 exact_stack(const std::vector<Frame>& stack);

// "kmalloc-rnd-05-128" is kmalloc-128: which of the copies a call site uses is drawn anew at each boot (since 6.6).
std::string plain_cache(std::string_view cache);

// The slot of a kmalloc of so many bytes, or the next power of two.
u64 size_class(u64 bytes);

}  // namespace orphan::logs
