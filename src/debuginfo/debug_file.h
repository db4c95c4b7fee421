// SPDX-License-Identifier: Apache-2.0
// What the debug information of one image says about places in its code.
//
// A place is found by its symbol and the offset from it, not by its address: so the kernel may have been moved by KASLR, and a
// module may be gone, or have been loaded elsewhere.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "debuginfo/elf_file.h"
#include "report/report.h"

namespace orphan::debuginfo {

struct Place {
  std::string function = {};
  std::string file = {};  // empty: not known
  u32 line = 0;
};

class DebugFile {
 public:
  // The file has to be of the image with this build-id (in hexadecimal) and to have debug information and symbols. The error
  // names the path.
  static Result<DebugFile> open(const std::string& path, std::string_view build_id);
  // The same of a file that the user says is of this image.
  static Result<DebugFile> open_any(const std::string& path);

  // What the frame is in, innermost first: functions inlined at this place, and last the one that the frame's symbol names.
  // The frame's address is one to return to: the place is that of the call before it. Empty: the file does not tell,
  // or has several symbols of that name, and their sizes do not tell which it is.
  std::vector<Place> places_of(const Frame& frame) const;

 private:
  explicit DebugFile(ElfFile elf) : elf_(std::move(elf)) {}
  static Result<DebugFile> with_symbols(ElfFile elf, const std::string& path);
  std::optional<u64> address_of(const Frame& frame) const;

  ElfFile elf_;
  std::unordered_multimap<std::string_view, CodeSymbol> symbols_;  // names are those in elf_
};

}  // namespace orphan::debuginfo
