// SPDX-License-Identifier: Apache-2.0
// A frame of a stack as kernels have printed them since 2009, and as scripts/decode_stacktrace.sh leaves them:
//
//     [<c04e1234>] create_object+0x101/0x1b0
//     [<00000000e0a73ec7>] widget_probe+0x41/0x1df [widget]        the address is hashed
//     [<000000005c0d2a46>] 0xffffffffc01d2036                      no symbol was known
//     ? widget_probe+0x41/0x1df [widget 91fe27aa]                  with the module's build-id
//     widget_probe (drivers/misc/widget.c:123) widget
//     widget_probe [widget]                                        only the function is known (orphan)
#pragma once
#include <optional>
#include <string_view>

#include "report/report.h"

namespace orphan::logs {

// Nothing: it is no frame. `is_indented`: it stands where frames do; elsewhere a name alone is none. The end of a stack, which
// old kernels print as an address of all ones, is a frame with that address.
std::optional<Frame> read_frame(std::string_view text, bool is_indented);

// Address of all ones, of 32 or 64 bits.
bool is_end_of_stack(const Frame& frame);

// "[widget]" alone, where a mail has broken a line: the module. Empty: it is not.
std::string_view module_alone(std::string_view text);

}  // namespace orphan::logs
