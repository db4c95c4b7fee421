// SPDX-License-Identifier: Apache-2.0
// A symbol table that a test writes. For tests only.
#pragma once
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "kernel/symbols.h"

namespace orphan::kernel {

// The image from kFakeText to kFakeEnd, with these symbols and those at its two ends.
inline constexpr u64 kFakeText = 0xffff'ffff'8100'0000;
inline constexpr u64 kFakeEnd = kFakeText + 32 * 4096;

inline Symbols fake_symbols(std::vector<std::pair<u64, std::string>> names) {
  names.emplace_back(kFakeText, "_stext");
  names.emplace_back(kFakeEnd, "_end");
  std::ranges::sort(names);
  std::string path = (std::filesystem::temp_directory_path() / fmt::format("orphan_kallsyms_{}", ::getpid())).string();
  std::ofstream file(path);
  for (const auto& [address, name] : names) file << fmt::format("{:016x} {} {}\n", address, name[0] == '_' ? 'T' : 'd', name);
  file.close();
  auto symbols = Symbols::from_proc(path);
  std::filesystem::remove(path);
  if (!symbols) bug(symbols.error().text().c_str());
  return std::move(*symbols);
}

}  // namespace orphan::kernel
