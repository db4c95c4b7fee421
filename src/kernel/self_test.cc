// SPDX-License-Identifier: Apache-2.0
#include "kernel/self_test.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace orphan::kernel {

Result<SelfTest> compare_with_slabinfo(std::span<const Cache> caches, std::string_view slabinfo) {
  if (!slabinfo.starts_with("slabinfo - version: 2.")) {
    return Error(ErrorCode::BadData, "slabinfo: its first line does not say version 2.x");
  }
  std::map<std::string_view, SelfTest::Row> rows;
  for (const Cache& cache : caches) {
    SelfTest::Row& row = rows[cache.name];
    row.cache = cache.name;
    row.ours += cache.live + cache.held_free;
  }
  SelfTest test;
  while (!slabinfo.empty()) {
    std::string_view line = slabinfo.substr(0, slabinfo.find('\n'));
    slabinfo.remove_prefix(std::min(line.size() + 1, slabinfo.size()));
    auto row = rows.find(line.substr(0, line.find(' ')));
    std::size_t number = line.find_first_not_of(' ', std::min(line.find(' '), line.size()));
    u64 active = 0;
    if (row == rows.end() || number == std::string_view::npos) continue;
    if (std::from_chars(line.data() + number, line.data() + line.size(), active).ec != std::errc()) continue;
    row->second.slabinfo += active;
    ++test.caches;
  }
  for (auto& [name, row] : rows) {
    test.ours += row.ours;
    test.slabinfo += row.slabinfo;
    if (row.ours != row.slabinfo) test.different.push_back(row);
  }
  auto distance = [](const SelfTest::Row& row) { return std::max(row.ours, row.slabinfo) - std::min(row.ours, row.slabinfo); };
  std::ranges::stable_sort(test.different, std::greater<>(), distance);
  return test;
}

}  // namespace orphan::kernel
