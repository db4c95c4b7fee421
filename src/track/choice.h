// SPDX-License-Identifier: Apache-2.0
// Which allocations are worth a note: those of caches by name, of what a report says has leaked, of the tasks of a cgroup.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "track/tracker.h"

namespace orphan::kernel {
struct Cache;
}

namespace orphan::track {

struct Choice {
  Wanted wanted;
  std::vector<std::string> unknown;  // names that this kernel has no cache of
};

// By names as reports have them in the column CACHE: of caches ("kmalloc-128"; a cache that was merged into another is that one),
// "large kmalloc", "vmalloc", "per-cpu", "pages". kmalloc caches of slots of one size are not told apart. `sysfs` is the folder
// with the names of merged caches.
Choice choose_caches(std::span<const std::string> names, std::span<const kernel::Cache> caches,
                     const std::string& sysfs = "/sys/kernel/slab/");

// The names of what leaked by a report of `orphan scan --format=json`, each once. BadData: it is none, or one without leaks;
// `file` is for the errors.
Result<std::vector<std::string>> suspects_in(std::string_view report, const std::string& file);

// A folder of cgroup v2's file system: a path to it, or as reports have it, from the file system's root on. Usage: there is none.
Result<Cgroup> find_cgroup(const std::string& path);

}  // namespace orphan::track
