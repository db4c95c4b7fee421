// SPDX-License-Identifier: Apache-2.0
#include "debuginfo/search.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace orphan::debuginfo {
namespace {

// Names come from a kernel, and become parts of paths.
bool is_name(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && text.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

bool is_build_id(std::string_view text) {
  return text.size() > 2 && text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

template <typename Iterator>
void list_modules(const std::string& directory, std::multimap<std::string, std::string>& modules) {
  std::error_code error;
  Iterator entry(directory, std::filesystem::directory_options::skip_permission_denied, error);
  for (; !error && entry != Iterator(); entry.increment(error)) {
    std::optional<std::string> module = module_of_file(entry->path().filename().native());
    if (module) modules.emplace(*module, entry->path().native());
  }
}

}  // namespace

std::optional<std::string> module_of_file(std::string_view file_name) {
  constexpr auto kEndings = std::to_array<std::string_view>({".ko.debug", ".ko", ".ko.xz", ".ko.zst", ".ko.gz"});
  for (std::string_view ending : kEndings) {
    if (!file_name.ends_with(ending) || file_name.size() == ending.size()) continue;
    std::string module(file_name.substr(0, file_name.size() - ending.size()));
    std::ranges::replace(module, '-', '_');
    return module;
  }
  return std::nullopt;
}

const Search::Modules& Search::modules_in(const std::string& directory, Depth depth) {
  auto [entry, is_new] = known_.try_emplace(directory);
  if (!is_new) return entry->second;
  if (depth == Depth::Tree) {
    list_modules<std::filesystem::recursive_directory_iterator>(directory, entry->second);
  } else {
    list_modules<std::filesystem::directory_iterator>(directory, entry->second);
  }
  return entry->second;
}

void Search::append_modules(const std::string& module, const std::string& directory, Depth depth,
                            std::vector<std::string>& files) {
  auto [begin, end] = modules_in(directory, depth).equal_range(module);
  std::vector<std::string> found;
  for (auto it = begin; it != end; ++it) found.push_back(it->second);
  std::ranges::sort(found);
  files.insert(files.end(), found.begin(), found.end());
}

std::vector<std::string> Search::files_for(const Image& image) {
  std::vector<std::string> files;
  if (!is_build_id(image.build_id) || (!image.module.empty() && !is_name(image.module))) return files;
  // Without a release there is no folder of that name, and no file is found in it.
  std::string release = is_name(options_.release) ? options_.release : "unknown";
  std::vector<std::string> directories = options_.directories;
  directories.push_back(options_.system_root + "/usr/lib/debug");
  std::string system_modules = options_.system_root + "/lib/modules/" + release;
  for (const std::string& directory : directories) {
    files.push_back(directory + "/.build-id/" + image.build_id.substr(0, 2) + "/" + image.build_id.substr(2) + ".debug");
    std::string modules = directory + "/lib/modules/" + release;
    if (image.module.empty()) {
      files.push_back(directory + "/vmlinux");
      files.push_back(directory + "/vmlinux-" + release);
      files.push_back(directory + "/boot/vmlinux-" + release);
      files.push_back(modules + "/vmlinux");
    } else {
      append_modules(image.module, directory, Depth::Folder, files);
      append_modules(image.module, modules, Depth::Tree, files);
    }
  }
  if (image.module.empty()) {
    files.push_back(system_modules + "/build/vmlinux");
    files.push_back(options_.system_root + "/boot/vmlinux-" + release);
  } else {
    append_modules(image.module, system_modules, Depth::Tree, files);
  }
  return files;
}

}  // namespace orphan::debuginfo
