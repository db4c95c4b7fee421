// SPDX-License-Identifier: Apache-2.0
// Where the debug information of a kernel and its modules may be: in folders that the user names, and where distributions and
// `make` put it. Only names of files come from here; whether a file is of this very image, its build-id tells.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"

namespace orphan::debuginfo {

struct Options {
  std::string release = {};                       // of the kernel, as in Report::release
  std::vector<std::string> directories = {};      // the user's, looked at first
  std::map<std::string, std::string> files = {};  // by module: the user's word that this is its file, whatever its build-id
  std::string system_root = {};                   // stands before /usr/lib/debug and the others: a test has a tree of its own
};

class Search {
 public:
  explicit Search(Options options) : options_(std::move(options)) {}

  // Files that may have the image's debug information, the most promising first; those of the kernel need not exist. None where
  // the build-id is not known: a wrong file is worse than none.
  std::vector<std::string> files_for(const Image& image);

 private:
  using Modules = std::multimap<std::string, std::string>;  // names of modules and paths of files
  enum class Depth : u8 { Folder, Tree };
  const Modules& modules_in(const std::string& directory, Depth depth);
  void append_modules(const std::string& module, const std::string& directory, Depth depth, std::vector<std::string>& files);

  Options options_;
  std::map<std::string, Modules> known_;  // by directory
};

// "virtio_net" of "virtio-net.ko", "virtio_net.ko.debug", "virtio_net.ko.xz"; nothing: it is no file of a module.
std::optional<std::string> module_of_file(std::string_view file_name);

}  // namespace orphan::debuginfo
