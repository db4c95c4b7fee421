// SPDX-License-Identifier: Apache-2.0
// Modules and their symbols as /proc tells them, where the kernel's memory is not to be read.
#pragma once
#include "kernel/images.h"
#include "kernel/symbols.h"

namespace orphan::kernel {

// Adds the symbols of all modules in the text of /proc/kallsyms. How large one is, is not told there: up to the next.
void add_module_symbols(std::string_view kallsyms, Symbols& symbols);

// Has the symbols and build-ids of modules that come and go, if it looks often enough.
class ProcModuleWatch {
 public:
  ProcModuleWatch(Symbols& symbols, TextOf text_of) : symbols_(symbols), text_of_(std::move(text_of)) {}

  // Costs the reading of /proc/modules as long as none comes or goes.
  void look();
  const BuildIds& build_ids() const { return build_ids_; }

 private:
  Symbols& symbols_;
  TextOf text_of_;
  std::string modules_;  // the text of /proc/modules, when it looked last
  BuildIds build_ids_;
};

}  // namespace orphan::kernel
