// SPDX-License-Identifier: Apache-2.0
// What the kernel itself says about its memory, out of the texts of /proc. Pure: the texts come from the caller.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace orphan::kernel {

// /proc/meminfo: bytes by name ("MemTotal"); lines without a unit are left out.
std::map<std::string, u64, std::less<>> parse_meminfo(std::string_view text);

// /proc/zoneinfo, summed over all zones, in pages.
struct ZoneFigures {
  u64 present = 0, managed = 0;
  u64 on_cpu_lists = 0;
};
std::optional<ZoneFigures> parse_zoneinfo(std::string_view text);

// /proc/slabinfo, by cache. Caches of one name are added up.
struct SlabFigures {
  u64 active = 0, objects = 0, pages = 0;
};
std::map<std::string, SlabFigures, std::less<>> parse_slabinfo(std::string_view text);

// /proc/vmallocinfo: pages by caller, as the kernel prints it ("load_module+0x1a/0x2b [x]"); areas without pages are left out.
std::map<std::string, u64, std::less<>> parse_vmallocinfo(std::string_view text);

}  // namespace orphan::kernel
