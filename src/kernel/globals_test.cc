// SPDX-License-Identifier: Apache-2.0
#include "kernel/globals.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/fake_btf.h"
#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

// Symbols that no kernel is read without, and some that may be missing.
const std::vector<std::string> kNeeded{
    "page_offset_base", "vmalloc_base",    "vmemmap_base",   "init_top_pgt",        "_text",
    "_etext",           "__start_rodata",  "__end_rodata",   "slab_caches",         "pcpu_chunk_lists",
    "pcpu_nr_slots",    "pcpu_base_addr",  "pcpu_unit_size", "pcpu_reserved_chunk", "__per_cpu_offset",
    "nr_cpu_ids",       "__per_cpu_start", "__per_cpu_end",  "init_task",           "modules",
    "vmap_area_list"};
const std::vector<std::string> kWanted{"__cpu_possible_mask", "napi_alloc_cache", "irq_stack_backing_store", "init_stack"};

Symbols symbols_without(std::string_view missing) {
  std::vector<std::pair<u64, std::string>> names;
  u64 address = kFakeText + 0x1000;
  for (const auto* list : {&kNeeded, &kWanted}) {
    for (const std::string& name : *list) {
      if (name != missing) names.emplace_back(address, name);
      address += 16;
    }
  }
  return fake_symbols(std::move(names));
}

TEST(Globals, VariablesAreFoundByName) {
  auto globals = Globals::resolve(symbols_without(""), FakeTypes::of(kLike6_1).load());
  ASSERT_TRUE(globals) << globals.error().text();
  EXPECT_EQ(globals->page_offset_base, Addr{kFakeText + 0x1000});
  EXPECT_EQ(globals->vmalloc_base, Addr{kFakeText + 0x1010});
  EXPECT_TRUE(globals->vmalloc.area_list.has_value());
  EXPECT_TRUE(globals->napi_alloc_cache.has_value());
  EXPECT_FALSE(globals->cached_stacks.has_value());
}

TEST(Globals, AMissingVariableIsNamedInTheError) {
  Btf btf = FakeTypes::of(kLike6_1).load();
  for (const std::string& name : kNeeded) {
    auto globals = Globals::resolve(symbols_without(name), btf);
    ASSERT_FALSE(globals) << name;
    EXPECT_EQ(globals.error().code(), ErrorCode::Unsupported);
    EXPECT_NE(globals.error().text().find(name), std::string::npos) << globals.error().text();
  }
  for (const std::string& name : kWanted) EXPECT_TRUE(Globals::resolve(symbols_without(name), btf)) << name;
}

TEST(Globals, AVariableWhoseTypeIsNotKnownIsNotUsed) {
  FakeTypes types = FakeTypes::of(kLike6_1);
  types.remove("napi_alloc_cache");
  auto globals = Globals::resolve(symbols_without(""), types.load());
  ASSERT_TRUE(globals);
  EXPECT_FALSE(globals->napi_alloc_cache.has_value());
  types.remove("task_struct");
  auto refused = Globals::resolve(symbols_without(""), types.load());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("init_task"), std::string::npos);
}

}  // namespace
}  // namespace orphan::kernel
