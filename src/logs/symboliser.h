// SPDX-License-Identifier: Apache-2.0
// Gives frames of other people's reports the names and lines that their kernels did not print: out of a saved /proc/kallsyms (or
// a System.map), a vmlinux, and files of modules. That these are of the kernel in question is the user's word: reports do not
// carry a build-id.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "debuginfo/lines.h"
#include "kernel/symbols.h"
#include "report/report.h"

namespace orphan::logs {

struct SymbolFiles {
  std::string kallsyms = {};                         // empty: none
  std::string vmlinux = {};                          // empty: none
  std::vector<std::string> module_directories = {};  // searched with all that is below them
};

class Symboliser {
 public:
  // Errors name the file.
  static Result<Symboliser> open(const SymbolFiles& files);

  // Where a kernel lies differs from boot to boot: of the one in the next file nothing is known yet.
  void begin_file() { shift_.reset(); }
  // Frames with an address and no symbol get one, where it is known.
  void name(std::vector<Frame>& stack);
  // Frames with a symbol get their line, and inlined ones are put in.
  void add_lines(std::vector<Frame>& stack);

  std::vector<Coverage> coverage() const;

 private:
  Symboliser() = default;
  void learn_shift(const std::vector<Frame>& stack);
  bool name_by_kallsyms(Frame& frame) const;
  bool name_by_vmlinux(Frame& frame) const;

  struct Code {
    std::string name;
    u64 address = 0, size_bytes = 0;
  };
  std::optional<kernel::Symbols> kallsyms_;
  std::vector<Code> vmlinux_;                        // by address
  std::map<std::string, u64, std::less<>> by_name_;  // of those whose name only one has
  std::optional<u64> shift_;                         // of the kernel, from where it was linked to
  std::map<std::string, std::string> line_files_;    // by module
  std::optional<debuginfo::Lines> lines_;
  u64 named_ = 0, unnamed_ = 0;
  u64 unshifted_ = 0;  // named as if the kernel lay where it was linked to
};

}  // namespace orphan::logs
