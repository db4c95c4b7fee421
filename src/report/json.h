// SPDX-License-Identifier: Apache-2.0
// The report as JSON, "schema": 1. docs/json.md describes every field; fields are added within a schema, never renamed or
// removed.
//
// Addresses are hexadecimal strings. What is not known is null, never invented: comm, pid, cgroup and age_s without tracking,
// type without type information, heads and retained_* where the graph of who points at whom was not made (then every leaked
// object is its own head). The text is ASCII: what a target wrote into its names reaches no terminal unescaped.
#pragma once
#include <string>

#include "report/report.h"

namespace orphan {

// Indented, ended by a newline.
std::string to_json(const Report& report);

// 16 hexadecimal digits that name a group: the same in every scan of one boot of one kernel; over reboots too where its stack has
// symbols. Hashed are kind, cache, object size and stack, with 64-bit FNV-1a.
std::string leak_id(const Leak& leak);

}  // namespace orphan
