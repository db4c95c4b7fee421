// SPDX-License-Identifier: Apache-2.0
// Groups of blocks as a profile that `go tool pprof` and what is compatible with it read: a gzip-compressed message as
// https://github.com/google/pprof/blob/main/proto/profile.proto has it. It is for graphs, flame graphs and the difference of two
// scans.
//
// A group is one sample: how many blocks, how many bytes, and its stack, the functions that are inlined into a frame as lines of
// one location. A group without a stack has a function of its own, "[kmalloc-128, no stack]", so that the sums are those of the
// report. Labels: `kind`, `cache`, `type` where it is known, and `bytes`, the size of one block. Mappings are the kernel and its
// modules with their build-ids; where they lie is not known, and nothing has to look for symbols. A frame without a symbol has
// its address as name. Names are escaped as in the other formats.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/report.h"

namespace orphan {

// What a profile is made of; it refers to a report.
struct Profile {
  std::string_view what;  // "leaked": the sample types are leaked_objects (count) and leaked_space (bytes)
  std::string_view target;
  std::string_view version;
  i64 started_unix_s = 0;
  double seconds = 0;
  std::span<const Image> images = {};
  std::vector<const Leak*> groups = {};
};
std::string to_pprof(const Profile& profile);

// The leaks, and after them the pages that nothing refers to, as what was `leaked`. Weakly referenced blocks are left out.
std::string to_pprof(const Report& report);

}  // namespace orphan
