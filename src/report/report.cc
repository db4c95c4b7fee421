// SPDX-License-Identifier: Apache-2.0
#include "report/report.h"

#include <algorithm>

#include "base/verify.h"

namespace orphan {

const char* to_string(BlockKind kind) {
  switch (kind) {
    case BlockKind::Slab: return "slab";
    case BlockKind::LargeKmalloc: return "large-kmalloc";
    case BlockKind::Vmalloc: return "vmalloc";
    case BlockKind::PerCpu: return "per-cpu";
    case BlockKind::Pages: return "pages";
    case BlockKind::Unknown: return "unknown";
  }
  bug("no such kind of block");
}

const char* to_string(Confidence confidence) {
  switch (confidence) {
    case Confidence::Certain: return "certain";
    case Confidence::Likely: return "likely";
    case Confidence::Possible: return "possible";
  }
  bug("no such confidence");
}

const char* to_string(Evidence::Kind kind) {
  switch (kind) {
    case Evidence::Kind::Symbol: return "symbol";
    case Evidence::Kind::String: return "string";
    case Evidence::Kind::Block: return "block";
    case Evidence::Kind::List: return "list";
  }
  bug("no such kind of evidence");
}

void count_one(const std::string& text, std::vector<Counted>& counts) {
  auto known = std::ranges::find(counts, text, &Counted::text);
  if (known == counts.end()) {
    counts.push_back({text, 1});
    return;
  }
  ++known->count;
  while (known != counts.begin() && (known - 1)->count < known->count) {
    std::iter_swap(known, known - 1);
    --known;
  }
}

std::optional<double> rate(const AllocationTimes& times) {
  double span_s = times.first_s - times.last_s;
  if (times.count < 2 || span_s <= 0) return std::nullopt;
  return static_cast<double>(times.count - 1) / span_s;
}

Tally examined(const Report& report) {
  Tally sum;
  for (Tally kind : report.by_kind) sum += kind;
  return sum;
}

}  // namespace orphan
