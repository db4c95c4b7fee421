// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace orphan::logs {
namespace {

constexpr u64 kMostBytes = u64{1} << 40;

std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

bool is_number(std::string_view word, u64& number) {
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size();
}

// "4096", "4k", "8M".
u64 size_of(std::string_view word) {
  u64 unit = word.ends_with('k') ? 1 << 10 : word.ends_with('M') ? 1 << 20 : 1;
  if (unit != 1) word.remove_suffix(1);
  u64 number = 0;
  return is_number(word, number) && number <= kMostBytes / unit ? number * unit : 0;
}

// A cache that a control group has of its own is of the same size.
std::string_view without_group(std::string_view cache) {
  return cache.ends_with(')') ? cache.substr(0, cache.find('(')) : cache;
}

}  // namespace

Result<SlubSizes> SlubSizes::from_slabinfo(std::string_view text) {
  SlubSizes sizes;
  u64 number = 0;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    ++number;
    if (line.empty() || line.starts_with('#') || line.starts_with("slabinfo - version")) continue;
    // kmalloc-64 1234 1280 64 : …: active objects, all objects, bytes of a slot.
    std::string_view rest = line;
    std::string_view name = take_word(rest);
    u64 active = 0, all = 0, bytes = 0;
    bool is_row = is_number(take_word(rest), active) && is_number(take_word(rest), all) && is_number(take_word(rest), bytes);
    if (!is_row || bytes == 0 || bytes > kMostBytes)
      return Error(ErrorCode::BadData, fmt::format("line {} is none of /proc/slabinfo", number));
    sizes.slots_.emplace(name, bytes);
  }
  if (sizes.slots_.empty()) return Error(ErrorCode::BadData, "it has no line of /proc/slabinfo");
  return sizes;
}

u64 SlubSizes::of(std::string_view cache) const {
  for (std::string_view name : {cache, without_group(cache)}) {
    if (auto known = slots_.find(name); known != slots_.end()) return known->second;
  }
  cache = without_group(cache);
  bool is_kmalloc = cache.starts_with("kmalloc-") || cache.starts_with("dma-kmalloc-");
  return is_kmalloc ? size_of(cache.substr(cache.rfind('-') + 1)) : 0;
}

void SlubSizes::apply(std::vector<Leak>& groups) const {
  for (Leak& group : groups) {
    group.object_size_bytes = of(group.cache);
    group.total.bytes = group.total.count * group.object_size_bytes;
  }
  auto is_larger = [](const Leak& a, const Leak& b) {
    return std::pair(a.total.bytes, a.total.count) > std::pair(b.total.bytes, b.total.count);
  };
  std::ranges::stable_sort(groups, is_larger);
}

}  // namespace orphan::logs
