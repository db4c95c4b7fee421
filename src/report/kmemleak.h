// SPDX-License-Identifier: Apache-2.0
// The report as /sys/kernel/debug/kmemleak of a recent kernel prints it (a checksum after "backtrace", frames without addresses,
// per-CPU objects with their own words), for the scripts that read that file. Nothing else stands in it: no totals, no coverage,
// and no word about leaked objects beyond `max_objects`, which are only counted in the other formats.
//
// comm, pid and jiffies are only known where allocations were tracked; they are printed as "unknown", 0 and 0. A block whose
// contents could not be kept has no hex dump.
#pragma once
#include <string>

#include "report/report.h"

namespace orphan {

// Empty when there are no leaks, as the kernel's file is.
std::string to_kmemleak(const Report& report);
// The record of one of the group's objects.
std::string to_kmemleak(const Leak& leak, const LeakedObject& object);

}  // namespace orphan
