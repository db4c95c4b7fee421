// SPDX-License-Identifier: Apache-2.0
// What code the frames of a report lie in: the kernel's own and that of modules, each with the build-id that its debug
// information is found by.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/source.h"
#include "report/report.h"

namespace orphan::kernel {

using BuildIds = std::map<std::string, std::string>;  // by the module's name

// The build-id in an ELF file's notes, as /sys/module/NAME/notes/.note.gnu.build-id has them: hexadecimal. Empty: there is none.
std::string build_id_in(std::string_view notes);

// Of a module that is loaded; empty: it has none, or has gone.
std::string build_id_of(const std::string& module, const TextOf& text_of);

// The images of all frames in the groups. Ids of modules that are not loaded any more are in `gone`.
std::vector<Image> images_of(const Report& report, const std::string& kernel_build_id, const BuildIds& gone,
                             const TextOf& text_of);
// The same of some groups.
std::vector<Image> images_of(std::span<const Leak> groups, const std::string& kernel_build_id, const BuildIds& gone,
                             const TextOf& text_of);

}  // namespace orphan::kernel
