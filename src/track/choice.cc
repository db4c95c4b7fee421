// SPDX-License-Identifier: Apache-2.0
#include "track/choice.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "kernel/slub.h"

namespace orphan::track {
namespace {

// What caches that SLUB has merged have in common: the folder that their names in sysfs lead to. Empty: it is no cache's name.
std::string unique_name(const std::string& sysfs, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos) return {};
  char path[PATH_MAX];
  return ::realpath((sysfs + name).c_str(), path) == nullptr ? std::string() : path;
}

const kernel::Cache* find_cache(const std::string& name, std::span<const kernel::Cache> caches, const std::string& sysfs) {
  auto same = std::ranges::find(caches, name, &kernel::Cache::name);
  if (same != caches.end()) return &*same;
  std::string unique = unique_name(sysfs, name);
  if (unique.empty()) return nullptr;
  same = std::ranges::find_if(caches, [&](const kernel::Cache& cache) { return unique_name(sysfs, cache.name) == unique; });
  return same == caches.end() ? nullptr : &*same;
}

}  // namespace

Choice choose_caches(std::span<const std::string> names, std::span<const kernel::Cache> caches, const std::string& sysfs) {
  Choice choice;
  Wanted& wanted = choice.wanted;
  for (const std::string& name : names) {
    if (name == "large kmalloc") {
      wanted.large_kmallocs = true;
    } else if (name == "vmalloc") {
      wanted.vmalloc = true;
    } else if (name == "per-cpu") {
      wanted.percpu = true;
    } else if (name == "pages") {
      wanted.pages = true;
    } else if (const kernel::Cache* cache = find_cache(name, caches, sysfs); cache == nullptr) {
      choice.unknown.push_back(name);
    } else if (cache->name.find("kmalloc-") != std::string::npos) {
      wanted.kmallocs.push_back(cache->size_bytes);
    } else {
      wanted.caches.push_back({cache->address, cache->size_bytes});
    }
  }
  return choice;
}

Result<std::vector<std::string>> suspects_in(std::string_view report, const std::string& file) {
  using Json = nlohmann::json;
  Json json = Json::parse(report, nullptr, false);
  auto leaks = json.is_object() ? json.find("leaks") : json.end();
  if (!json.is_object() || !json.contains("schema") || leaks == json.end() || !leaks->is_array())
    return Error(ErrorCode::BadData, file + ": no report of `orphan scan --format=json`: make one, and name its file");
  std::set<std::string> names;
  for (const char* part : {"leaks", "pages"}) {
    auto groups = json.find(part);
    if (groups == json.end() || !groups->is_array()) continue;
    for (const Json& group : *groups) {
      auto cache = group.is_object() ? group.find("cache") : group.end();
      if (!group.is_object() || cache == group.end() || !cache->is_string())
        return Error(ErrorCode::BadData,
                     fmt::format("{}: an entry of \"{}\" has no \"cache\": make the report anew", file, part));
      names.insert(cache->get<std::string>());
    }
  }
  if (names.empty()) return Error(ErrorCode::BadData, file + ": reports no leak: there is nothing to look out for");
  return std::vector<std::string>(names.begin(), names.end());
}

Result<Cgroup> find_cgroup(const std::string& path) {
  for (const std::string& candidate : {path, "/sys/fs/cgroup/" + path, "/sys/fs/cgroup/unified/" + path}) {
    struct statfs system{};
    struct stat folder{};
    if (::statfs(candidate.c_str(), &system) != 0 || static_cast<u64>(system.f_type) != CGROUP2_SUPER_MAGIC) continue;
    if (::stat(candidate.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) continue;
    // Up to where another file system is above it.
    Cgroup cgroup{.id = folder.st_ino, .level = 0};
    std::string above = candidate;
    while (true) {
      above += "/..";
      struct stat parent{};
      if (::stat(above.c_str(), &parent) != 0 || parent.st_dev != folder.st_dev) return cgroup;
      if (++cgroup.level > PATH_MAX / 4) break;
    }
  }
  return Error(ErrorCode::Usage,
               fmt::format("--cgroup: {} is no folder of cgroup v2's file system, as below /sys/fs/cgroup", path));
}

}  // namespace orphan::track
