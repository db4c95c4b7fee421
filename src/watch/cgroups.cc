// SPDX-License-Identifier: Apache-2.0
#include "watch/cgroups.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "watch/line_reader.h"

namespace orphan::watch {
namespace {

constexpr i64 kSlackBytes = 1 << 20;
constexpr std::size_t kMostGroups = 4096;
constexpr int kMostDepth = 32;

// Lines of memory.stat, and what they are called here. In version 1 the sums over groups below are those that begin with total_.
struct Field {
  std::string_view file_word, field;
};
constexpr std::array<Field, 13> kFieldsTwo{{{"anon", "anon"},
                                            {"file", "file"},
                                            {"kernel", "kernel"},
                                            {"kernel_stack", "kernel_stack"},
                                            {"pagetables", "pagetables"},
                                            {"percpu", "percpu"},
                                            {"sock", "sock"},
                                            {"vmalloc", "vmalloc"},
                                            {"shmem", "shmem"},
                                            {"slab", "slab"},
                                            {"slab_reclaimable", "slab_reclaimable"},
                                            {"slab_unreclaimable", "slab_unreclaimable"},
                                            {"unevictable", "unevictable"}}};
constexpr std::array<Field, 5> kFieldsOne{{{"total_rss", "anon"},
                                           {"total_cache", "file"},
                                           {"total_shmem", "shmem"},
                                           {"total_swap", "swap"},
                                           {"total_unevictable", "unevictable"}}};

std::optional<i64> number_of_file(const std::string& path) {
  auto reader = LineReader::open(path);
  if (!reader) return std::nullopt;
  auto line = reader->next();
  if (!line || !*line) return std::nullopt;
  return number_in<i64>(**line);
}

}  // namespace

Cgroups::Cgroups(std::string root, std::size_t top) : root_(std::move(root)), top_(top), choice_(kSlackBytes) {}

void Cgroups::find_hierarchy() {
  // Where both are mounted, the controller belongs to one; version 1's has the file at its root.
  if (::access((root_ + "/memory/memory.usage_in_bytes").c_str(), F_OK) == 0) {
    hierarchy_ = root_ + "/memory";
    version_ = Version::One;
    return;
  }
  auto controllers = read_file(root_ + "/cgroup.controllers");
  version_ = controllers && controllers->find("memory") != std::string::npos ? Version::Two : Version::None;
  hierarchy_ = root_;
}

void Cgroups::look(const std::string& path, int depth, std::vector<Group>& groups) const {
  const char* file = version_ == Version::Two ? "/memory.current" : "/memory.usage_in_bytes";
  // The root of version 2 has none.
  if (auto bytes = number_of_file(hierarchy_ + path + file)) groups.push_back({path.empty() ? "/" : path, *bytes});
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir((hierarchy_ + path).c_str()), ::closedir);
  if (!directory || depth == kMostDepth) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (groups.size() >= kMostGroups) return;
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') look(path + "/" + entry->d_name, depth + 1, groups);
  }
}

void Cgroups::add_details(Sink& sink, const Group& group) const {
  auto add = [&](std::string_view field, i64 value) {
    sink.add({.kind = Kind::Cgroup, .unit = Unit::Bytes, .name = group.path, .field = field, .value = value});
  };
  add("current", group.bytes);
  std::string directory = hierarchy_ + group.path;
  bool is_two = version_ == Version::Two;
  if (auto swap = is_two ? number_of_file(directory + "/memory.swap.current") : std::nullopt) add("swap", *swap);
  if (auto kernel = is_two ? std::nullopt : number_of_file(directory + "/memory.kmem.usage_in_bytes")) add("kernel", *kernel);
  auto reader = LineReader::open(directory + "/memory.stat");
  if (!reader) return;
  std::span<const Field> fields = is_two ? std::span<const Field>(kFieldsTwo) : std::span<const Field>(kFieldsOne);
  for (;;) {
    auto line = reader->next();
    if (!line || !*line) return;
    Words words(**line);
    const auto field = std::ranges::find(fields, words.next(), &Field::file_word);
    if (field == fields.end()) continue;
    if (auto value = number_in<i64>(words.next())) add(field->field, *value);
  }
}

Result<void> Cgroups::sample(Sink& sink) {
  if (version_ == Version::None) find_hierarchy();
  if (version_ == Version::None) return Error(ErrorCode::NotFound, root_ + ": no memory controller");
  std::vector<Group> groups;
  look("", 0, groups);
  std::ranges::sort(groups, std::ranges::greater(), &Group::bytes);
  choice_.begin_sample();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    bool grows = choice_.note(std::hash<std::string>()(groups[i].path), groups[i].bytes).is_chosen;
    if (grows || i < top_ || sink.has(Kind::Cgroup, groups[i].path)) add_details(sink, groups[i]);
  }
  choice_.end_sample();
  return {};
}

}  // namespace orphan::watch
