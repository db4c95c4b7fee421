// SPDX-License-Identifier: Apache-2.0
#include "kernel/code_constants.h"

namespace orphan::kernel {

std::vector<CodeConstant> code_constants(Bytes code) {
  constexpr unsigned kRexW = 0x48, kRexB = 0x01, kMovImmediate = 0xb8, kRegister = 0x07;
  std::vector<CodeConstant> constants;
  for (u64 at = 0; at + 10 <= code.size(); ++at) {
    auto prefix = std::to_integer<unsigned>(code[at]), operation = std::to_integer<unsigned>(code[at + 1]);
    if ((prefix & ~kRexB) != kRexW || (operation & ~kRegister) != kMovImmediate) continue;
    constants.push_back({load_unchecked<u64>(code.data() + at + 2), at + 2});
  }
  return constants;
}

}  // namespace orphan::kernel
