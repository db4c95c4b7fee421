// SPDX-License-Identifier: Apache-2.0
// Names of source files as people of the kernel write them: "mm/slub.c", whatever folder it was built in.
#pragma once
#include <string>
#include <string_view>

namespace orphan::debuginfo {

// `path` without "." and "..", and without the root of the source where that is plain to see: the compiler's working directory,
// or a folder above it in which `path` goes on with a folder that Linux has at its root, as after `make O=build`. Else, such
// as for a module that is no part of Linux, it stays as long as it is. Both may be anything.
std::string short_source_path(std::string_view path, std::string_view working_directory);

}  // namespace orphan::debuginfo
