// SPDX-License-Identifier: Apache-2.0
// The kernel's loaded modules: where their memory is, which of it holds data, and their symbols.
#pragma once
#include <map>

#include "kernel/address_space.h"
#include "kernel/images.h"
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

// Has the symbols and build-ids of modules that come and go, if it looks often enough.
class ModuleWatch {
 public:
  // All must outlive this.
  ModuleWatch(const KernelMemory& memory, const ModuleLayout& layout, Addr list, Symbols& symbols, TextOf text_of)
      : memory_(memory), layout_(layout), list_(list), symbols_(symbols), text_of_(std::move(text_of)) {}

  // Costs the reading of one word as long as no module comes or goes.
  void look();
  // Of all modules that it has seen.
  const BuildIds& build_ids() const { return build_ids_; }

 private:
  // Of a new module: while it is being loaded it is on the list before it has its symbols.
  static constexpr unsigned kLooks = 16;

  const KernelMemory& memory_;
  const ModuleLayout& layout_;
  Addr list_;
  Symbols& symbols_;
  TextOf text_of_;
  BuildIds build_ids_;
  u64 newest_ = 0;
  std::map<u64, unsigned> looks_;  // that are still to be taken at each module of the list, by its address
};

}  // namespace orphan::kernel
