// SPDX-License-Identifier: Apache-2.0
#include "kernel/layouts.h"

#include <gtest/gtest.h>

#include "kernel/fake_btf.h"

namespace orphan::kernel {
namespace {

class LayoutsTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeTypes types_ = FakeTypes::of(GetParam());
  std::string missing() {
    auto layouts = Layouts::resolve(types_.load());
    return layouts ? "" : layouts.error().text();
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, LayoutsTest, testing::ValuesIn(kVersions),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(LayoutsTest, OffsetsAreThoseOfTheTypes) {
  auto resolved = Layouts::resolve(types_.load());
  ASSERT_TRUE(resolved) << resolved.error().text();
  const Layouts& l = *resolved;
  auto offset = [&](std::string_view type, std::string_view path) { return types_.member(type, path).offset_bytes; };
  EXPECT_EQ(l.page.size_bytes, types_.size("page"));
  EXPECT_EQ(l.page.private_data, offset("page", "private"));
  EXPECT_EQ(l.page.lru, offset("page", "lru"));
  EXPECT_EQ(l.slab.slab_cache, offset("slab", "slab_cache"));
  EXPECT_EQ(l.slab.objects.bit_offset, 0);
  EXPECT_EQ(l.slab.objects.bit_size, 15);
  EXPECT_EQ(l.cache.red_left_pad, offset("kmem_cache", "red_left_pad"));
  EXPECT_EQ(l.cache.random.has_value(), GetParam().is_hardened);
  EXPECT_EQ(l.vmalloc.vm_caller, offset("vm_struct", "caller"));
  EXPECT_EQ(l.task.sp, offset("task_struct", "thread.sp"));
  EXPECT_EQ(l.task.fpu, GetParam().fpu_follows ? types_.size("task_struct") + offset("fpu", "__fpstate")
                                               : offset("task_struct", "thread.fpu.__fpstate"));
  EXPECT_EQ(l.task.on_cpu.size_bytes, GetParam().is_latest ? 1U : 4U);
  EXPECT_EQ(l.percpu.nr_pages, offset("pcpu_chunk", "nr_pages"));
  EXPECT_EQ(l.module.list, offset("module", "list"));
}

TEST_P(LayoutsTest, FeaturesAreToldByTheirMembers) {
  auto l = Layouts::resolve(types_.load());
  ASSERT_TRUE(l);
  bool is_typed = GetParam().is_typed;
  EXPECT_EQ(l->page.typed(), is_typed);
  EXPECT_EQ(l->page.bit_slab.has_value(), !is_typed);
  EXPECT_EQ(l->page.type_large_kmalloc.has_value(), GetParam().has_kmalloc);
  EXPECT_EQ(l->vmalloc.node_busy_list.has_value(), is_typed);
  EXPECT_EQ(l->module.mem.has_value(), is_typed);
  EXPECT_EQ(l->module.core.has_value(), !is_typed);
  EXPECT_EQ(l->cache.no_leak_trace.has_value(), is_typed);
  EXPECT_EQ(l->sysctl->table_size.has_value(), is_typed);
  EXPECT_EQ(l->cpu_slab.has_value(), GetParam().has_cpu_slab);
  EXPECT_EQ(l->sheaves.has_value(), GetParam().barns != FakeBarns::None);
}

TEST_P(LayoutsTest, WhatIsReadOfAStructHoldsAllThatIsTakenFromIt) {
  auto resolved = Layouts::resolve(types_.load());
  ASSERT_TRUE(resolved);
  const Layouts& l = *resolved;
  for (Offset at : {l.cache.flags, l.cache.offset, l.cache.red_left_pad, l.cache.name, l.cache.list, l.cache.refcount,
                    l.cache.random.value_or(0)}) {
    EXPECT_LE(at + 8, l.cache.read_bytes);
  }
  for (Offset at : {l.task.stack, l.task.on_cpu.offset_bytes, l.task.tasks, l.task.mm, l.task.pid, l.task.files, l.task.signal,
                    l.task.thread_node, l.task.sp}) {
    EXPECT_LE(at + 8, l.task.read_bytes);
  }
  EXPECT_LE(l.module.name + 56, l.module.read_bytes);
  EXPECT_LE(l.module.kallsyms + 8, l.module.read_bytes);
}

TEST_P(LayoutsTest, AMissingMemberIsNamedInTheError) {
  const FakeTypes whole = types_;
  for (const char* what : {"page.flags",
                           "page.mapping",
                           "page.page_type",
                           "page._refcount",
                           "slab.freelist",
                           "slab.inuse",
                           "kmem_cache.offset",
                           "kmem_cache.list",
                           "kmem_cache_cpu.tid",
                           "vmap_area.va_end",
                           "vm_struct.caller",
                           "pcpu_chunk.bound_map",
                           "task_struct.signal",
                           "thread_struct.sp",
                           "signal_struct.thread_head",
                           "mm_struct.start_stack",
                           "fdtable.fd",
                           "file.private_data",
                           "module.name",
                           "mod_kallsyms.strtab"}) {
    if (!GetParam().has_slab && std::string_view(what).starts_with("slab.")) continue;  // in struct page
    if (!GetParam().has_cpu_slab && std::string_view(what).starts_with("kmem_cache_cpu")) continue;
    types_ = whole;
    EXPECT_EQ(missing(), "");
    types_.remove(what);
    std::string text = missing();
    std::string_view member = std::string_view(what).substr(std::string_view(what).find('.') + 1);
    EXPECT_NE(text.find(member), std::string::npos) << what << ": " << text;
    EXPECT_NE(text.find("not known to this version"), std::string::npos) << what << ": " << text;
  }
}

TEST_P(LayoutsTest, AMissingTypeOrEnumeratorIsNamedInTheError) {
  const FakeTypes whole = types_;
  for (const char* what :
       {"vmap_area", "pcpu_chunk", "kmem_cache_cpu", "mod_kallsyms", "pageflags.PG_head", "pageflags.PG_lru"}) {
    if (!types_.has(std::string_view(what).substr(0, std::string_view(what).find('.')))) continue;
    types_ = whole;
    types_.remove(what);
    std::string_view name(what);
    EXPECT_NE(missing().find(name.substr(name.find('.') + 1)), std::string::npos) << what << ": " << missing();
  }
}

TEST_P(LayoutsTest, WhatMayBeMissingMay) {
  for (const char* what : {GetParam().has_slab ? "page.memcg_data" : "page.mem_cgroup", "vm_stack", "napi_alloc_cache",
                           "irq_stack", "exception_stacks", "ctl_table_header", "kfree_rcu_cpu", "inactive_task_frame",
                           "entry_stack_page", "rw_semaphore.wait_list"}) {
    types_.remove(what);
    EXPECT_EQ(missing(), "") << what;
  }
}

class SheafLayoutsTest : public LayoutsTest {};
INSTANTIATE_TEST_SUITE_P(Versions, SheafLayoutsTest, testing::ValuesIn(kSheafVersions),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(SheafLayoutsTest, SheavesAreFoundWhereTheKernelKeepsThem) {
  auto layouts = Layouts::resolve(types_.load());
  ASSERT_TRUE(layouts) << layouts.error().text();
  const SheafLayout& sheaves = *layouts->sheaves;
  EXPECT_EQ(sheaves.objects, types_.member("slab_sheaf", "objects").offset_bytes);
  EXPECT_EQ(sheaves.rcu_free, types_.member("slub_percpu_sheaves", "rcu_free").offset_bytes);
  bool is_per_node = GetParam().barns == FakeBarns::PerNode;
  EXPECT_EQ(sheaves.node_barn.has_value(), !is_per_node);
  EXPECT_EQ(sheaves.nodes, types_.member("kmem_cache", is_per_node ? "per_node" : "node").offset_bytes);
  EXPECT_EQ(sheaves.node_stride, is_per_node ? types_.size("kmem_cache_per_node_ptrs") : 8);
}

TEST_P(SheafLayoutsTest, SheavesOfAnotherFormAreRefused_TheirObjectsWouldBeTakenForLeaks) {
  const FakeTypes whole = types_;
  for (const char* what : {"kmem_cache.cpu_sheaves", "kmem_cache.sheaf_capacity", "slab_sheaf.size", "slab_sheaf.objects",
                           "slub_percpu_sheaves.main", "slub_percpu_sheaves.rcu_free", "node_barn.sheaves_full"}) {
    types_ = whole;
    EXPECT_EQ(missing(), "");
    types_.remove(what);
    EXPECT_NE(missing().find("not known to this version"), std::string::npos) << what << ": " << missing();
  }
}

TEST(Layouts, TheOrderOfACompoundPageStandsWhereTheKernelKeepsIt) {
  FakeTypes old = FakeTypes::of(kLike6_1);
  EXPECT_EQ(Layouts::resolve(old.load())->page.compound_order, 17U);
  old.remove("page.compound_order");
  old.add("struct folio 128\n  u64 flags 0\n  u8 _folio_order 81\n");
  EXPECT_EQ(Layouts::resolve(old.load())->page.compound_order, 17U);
  EXPECT_EQ(Layouts::resolve(FakeTypes::of(kLike6_12).load())->page.compound_order, 0U);
}

TEST(Layouts, BeforeStructSlabItsMembersStoodInStructPage) {
  auto layouts = Layouts::resolve(FakeTypes::of(kLike5_10).load());
  ASSERT_TRUE(layouts) << layouts.error().text();
  EXPECT_EQ(layouts->slab.slab_cache, 24U);
  EXPECT_EQ(layouts->slab.frozen.bit_size, 1);
  EXPECT_EQ(layouts->slab.extensions, 56U);
  EXPECT_EQ(layouts->cpu_slab->slab, 16U);
}

// A recording may say anything of the kernel's types.
TEST(Layouts, TypesWithAMemberBeyondTheirEndAreRefusedByName) {
  struct Case {
    std::string_view name, wrong;
  };
  for (const Case& c :
       {Case{"vm_struct",
             "struct vm_struct 8\n  ptr next 0\n  ptr addr 8\n  u64 size 16\n  u64 flags 24\n  ptr pages 32\n"
             "  u32 nr_pages 40\n  ptr caller 48\n"},
        Case{"kmem_cache_cpu", "struct kmem_cache_cpu 16\n  ptr freelist 0\n  u64 tid 8\n  ptr slab 16\n  ptr partial 24\n"},
        Case{"mod_kallsyms", "struct mod_kallsyms 16\n  ptr symtab 0\n  u32 num_symtab 8\n  ptr strtab 16\n"}}) {
    FakeTypes types = FakeTypes::of(kLike6_1);
    ASSERT_TRUE(Layouts::resolve(types.load()));
    types.add(c.wrong);
    auto layouts = Layouts::resolve(types.load());
    ASSERT_FALSE(layouts) << c.name;
    EXPECT_EQ(layouts.error().code(), ErrorCode::BadData) << layouts.error().text();
    EXPECT_NE(layouts.error().text().find("contradicts itself"), std::string::npos) << layouts.error().text();
  }
}

TEST(Layouts, ABitThatNoWordHasIsRefused_OfAnOptionalFlagIgnored) {
  FakeTypes types = FakeTypes::of(kLike6_1);
  types.add("enum _slab_flag_bits\n  _SLAB_NOLEAKTRACE 3276821\n");
  auto layouts = Layouts::resolve(types.load());
  ASSERT_TRUE(layouts) << layouts.error().text();
  EXPECT_FALSE(layouts->cache.no_leak_trace);
  types.add("enum pageflags\n  PG_head 64\n  PG_lru 4\n  PG_reserved 11\n  PG_slab 8\n");
  EXPECT_FALSE(Layouts::resolve(types.load()));
}

}  // namespace
}  // namespace orphan::kernel
