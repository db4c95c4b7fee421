// SPDX-License-Identifier: Apache-2.0
// How large the objects of a cache are: by /proc/slabinfo, which somebody has saved, or by the cache's name.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "report/report.h"

namespace orphan::logs {

class SlubSizes {
 public:
  // Nothing but names is known.
  SlubSizes() = default;
  // The text of /proc/slabinfo, of which sizes are those of slots: objects with what SLUB puts around them. BadData: it is none;
  // the error names the line.
  static Result<SlubSizes> from_slabinfo(std::string_view text);

  // Bytes; 0: not known. Those of a kmalloc are in its name, however it is spelled: kmalloc-4096 (until 5.4), kmalloc-4k,
  // dma-kmalloc-512, kmalloc-rcl-96, kmalloc-cg-2k, kmalloc-rnd-05-8k, kmalloc-64(12:a.service).
  u64 of(std::string_view cache) const;

  // Fills sizes and bytes of the groups, and puts most bytes first, then most objects.
  void apply(std::vector<Leak>& groups) const;

 private:
  std::map<std::string, u64, std::less<>> slots_;
};

}  // namespace orphan::logs
