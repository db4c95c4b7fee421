// SPDX-License-Identifier: Apache-2.0
// Pointers that stand in code only. A *runtime constant* (runtime_const_ptr() in the kernel's sources) is an address that the
// kernel writes into its own instructions while it boots. Where nothing else reads the variable, the compiler may leave it out:
// then the instruction is the one reference.
#pragma once
#include "base/addr.h"
#include "base/bytes.h"

namespace orphan::kernel {

struct CodeConstant {
  u64 value;
  u64 offset;  // in the code
};

// The 64-bit operands of all movabs instructions in x86-64 code, and of bytes that look like one.
std::vector<CodeConstant> code_constants(Bytes code);

}  // namespace orphan::kernel
