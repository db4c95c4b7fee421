// SPDX-License-Identifier: Apache-2.0
#include "debuginfo/source_path.h"

#include <algorithm>
#include <array>
#include <vector>

namespace orphan::debuginfo {
namespace {

// The folders that Linux has at its root.
constexpr auto kFolders = std::to_array<std::string_view>(
    {"arch", "block", "certs", "crypto", "drivers", "fs",      "include",  "init",  "io_uring", "ipc", "kernel",
     "lib",  "mm",    "net",   "rust",   "samples", "scripts", "security", "sound", "tools",    "usr", "virt"});

// The parts between the slashes. What ".." would leave above the beginning stays.
std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    std::size_t end = path.find('/');
    std::string_view part = path.substr(0, end);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  return parts;
}

}  // namespace

std::string short_source_path(std::string_view path, std::string_view working_directory) {
  std::vector<std::string_view> parts = parts_of(path);
  std::size_t shared = 0;  // parts
  bool is_absolute = path.starts_with('/');
  if (is_absolute && working_directory.starts_with('/')) {
    std::vector<std::string_view> directory = parts_of(working_directory);
    // The last part is the file itself.
    while (shared + 1 < parts.size() && shared < directory.size() && parts[shared] == directory[shared]) ++shared;
    if (shared < directory.size() && std::ranges::find(kFolders, parts[shared]) == kFolders.end()) shared = 0;
  }
  std::string text = is_absolute && shared == 0 ? "/" : "";
  for (std::size_t i = shared; i < parts.size(); ++i) {
    if (i != shared) text += '/';
    text += parts[i];
  }
  return text;
}

}  // namespace orphan::debuginfo
