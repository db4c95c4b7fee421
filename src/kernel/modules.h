// SPDX-License-Identifier: Apache-2.0
// The kernel's loaded modules: where their memory is, which of it holds data, and their symbols.
#pragma once
#include "kernel/address_space.h"
#include "kernel/layouts.h"
#include "kernel/symbols.h"

namespace orphan::kernel {

struct Module {
  Addr module;  // its struct module
  std::string name;
  std::vector<Range> memory;  // all of it
  std::vector<Range> data;    // that may hold pointers to blocks
  Addr kallsyms;
};

struct Modules {
  std::vector<Module> modules;
  bool is_complete = true;  // false: the list changed while it was read
};

Result<Modules> read_modules(const KernelMemory& memory, const ModuleLayout& layout, Addr list);

// Adds the module's symbols. One that is going away may have none left: that is no error.
void add_symbols(const KernelMemory& memory, const ModuleLayout& layout, const Module& module, Symbols& symbols);

}  // namespace orphan::kernel
